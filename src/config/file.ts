import { GantryError, messageOf } from "../base/error.ts";
import { readSmallFile } from "../sys/regular-file.ts";

const MAX_FILE = 4 << 20;

/** The text of a configuration file; undefined where there is none. @throws CONFIG_INVALID where it cannot be read */
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

export function invalidConfig(path: string, why: string): GantryError<"CONFIG_INVALID"> {
  return new GantryError("CONFIG_INVALID", `${path} cannot be used: ${why}`, { details: { path } });
}

export type Table = Readonly<Record<string, unknown>>;

/** A TOML file; undefined where there is none. */
export async function readToml(path: string): Promise<Table | undefined> {
  const text = await readConfigFile(path);
  if (text === undefined) return undefined;
  const { parse } = await import("smol-toml");
  try {
    return parse(text) as Table;
  } catch (error) {
    throw invalidConfig(path, messageOf(error).split("\n")[0] ?? "it is not TOML");
  }
}

/** Reads the fields of a table, and says which one is not what it should be. */
export class Fields {
  readonly #table: Table;
  readonly #path: string;
  readonly #where: string;

  constructor(table: Table, path: string, where = "") {
    this.#table = table;
    this.#path = path;
    this.#where = where;
  }

  #wrong(name: string, expected: string): never {
    throw invalidConfig(this.#path, `${this.#where}${name} must be ${expected}`);
  }

  text(name: string): string | undefined {
    const value = this.#table[name];
    return value === undefined || typeof value === "string" ? value : this.#wrong(name, "a string");
  }

  flag(name: string): boolean {
    const value = this.#table[name] ?? false;
    return typeof value === "boolean" ? value : this.#wrong(name, "true or false");
  }

  /** A list of strings, or one string alone. */
  texts(name: string): readonly string[] {
    const value = this.#table[name] ?? [];
    if (typeof value === "string") return [value];
    return Array.isArray(value) && value.every((item) => typeof item === "string")
      ? value
      : this.#wrong(name, "a string, or a list of strings");
  }

  table(name: string): Table {
    const value = this.#table[name] ?? {};
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Table)
      : this.#wrong(name, "a table");
  }

  tables(name: string): readonly Table[] {
    const value = this.#table[name] ?? [];
    return Array.isArray(value) && value.every((item) => typeof item === "object" && item !== null)
      ? (value as Table[])
      : this.#wrong(name, "a list of tables");
  }

  /** A field that may have many shapes. */
  any(name: string): unknown {
    return this.#table[name];
  }
}
