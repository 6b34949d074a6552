import { GantryError, messageOf } from "../base/error.ts";
import { readSmallFile } from "../sys/regular-file.ts";

const MAX_FILE = 4 << 20;

/** The text of a configuration file; undefined where there is no file. @throws CONFIG_INVALID where it cannot be read */
async function readConfigFile(path: string): Promise<string | undefined> {
  try {
    return (await readSmallFile(path, { limit: MAX_FILE, follow: true }))?.toString("utf8");
  } catch (error) {
    throw new GantryError("CONFIG_INVALID", `the configuration cannot be used: ${messageOf(error)}`, {
      cause: error,
      details: { path },
    });
  }
}

/** The error for a file whose content cannot be used. */
export function invalidConfig(path: string, why: string): GantryError<"CONFIG_INVALID"> {
  return new GantryError("CONFIG_INVALID", `${path} cannot be used: ${why}`, { details: { path } });
}

export type Table = Readonly<Record<string, unknown>>;

/** A TOML file; undefined where there is no file. @throws CONFIG_INVALID */
export async function readToml(path: string): Promise<Table | undefined> {
  const text = await readConfigFile(path);
  if (text === undefined) return undefined;
  const { parse } = await import("smol-toml");
  try {
    return parse(text) as Table;
  } catch (error) {
    throw invalidConfig(path, messageOf(error).split("\n")[0] ?? "it is not valid TOML");
  }
}
