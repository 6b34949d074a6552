import { realpath } from "node:fs/promises";
import { homedir } from "node:os";
import { basename, dirname, join } from "node:path";
import { GantryError, isGantryError, messageOf } from "../base/error.ts";
import { isObject } from "../spec/schema.ts";
import { removeAbandoned } from "../sys/abandoned.ts";
import { fileSystemError } from "../sys/fs-error.ts";
import { withLock } from "../sys/lock.ts";
import { makeDirectories } from "../sys/make-directories.ts";
import { readSmallFile } from "../sys/regular-file.ts";
import { replaceFile } from "../sys/replace-file.ts";
import { invalidConfig } from "./file.ts";
import { isHelperName } from "./helper.ts";
import { serverKeys } from "./server-keys.ts";

/** A file of credentials, as JSON: `auths`, `credHelpers`, `credsStore`, and fields that are not ours. */
export type AuthFile = Record<string, unknown>;

const MAX_CONFIG = 1 << 20;

/** Docker's file of credentials: `$DOCKER_CONFIG/config.json`, else `~/.docker/config.json`. */
export function dockerConfigFile(env: NodeJS.ProcessEnv = process.env): string {
  return join(env["DOCKER_CONFIG"] || join(homedir(), ".docker"), "config.json");
}

/** The files that are read, in order: REGISTRY_AUTH_FILE alone, else that of Docker and the two of podman. */
export function authFiles(env: NodeJS.ProcessEnv = process.env): readonly string[] {
  if (env["REGISTRY_AUTH_FILE"]) return [env["REGISTRY_AUTH_FILE"]];
  const runtime = env["XDG_RUNTIME_DIR"];
  return [
    dockerConfigFile(env),
    ...(runtime ? [join(runtime, "containers", "auth.json")] : []),
    join(env["XDG_CONFIG_HOME"] || join(homedir(), ".config"), "containers", "auth.json"),
  ];
}

/**
 * @param options with `toWrite`, a file without read permission is an error; otherwise it is skipped
 * @returns undefined where there is no file
 * @throws CONFIG_INVALID for a file that is not a JSON object
 */
export async function readAuthFile(
  path: string,
  options: { readonly toWrite?: boolean | undefined } = {},
): Promise<AuthFile | undefined> {
  const invalid = (why: string): GantryError =>
    new GantryError(
      "CONFIG_INVALID",
      `${path} cannot be used: ${why}; repair it, or name another file with REGISTRY_AUTH_FILE`,
    );
  let text: string;
  try {
    const bytes = await readSmallFile(path, { limit: MAX_CONFIG, follow: true });
    if (!bytes) return undefined;
    text = bytes.toString("utf8");
  } catch (error) {
    // It may belong to another user. Before a write it must not be taken for an empty file.
    if (isGantryError(error) && error.details["errno"] === "EACCES" && !options.toWrite) return undefined;
    throw isGantryError(error, "NOT_REGULAR_FILE", "LIMIT_EXCEEDED") ? invalid(messageOf(error)) : error;
  }
  let value: unknown;
  try {
    value = text.trim() === "" ? {} : JSON.parse(text);
  } catch {
    // Without the parser's message, which quotes the file.
    throw invalid("it is not valid JSON");
  }
  if (!isObject(value)) throw invalid("it is not a JSON object");
  return value;
}

export const objectOf = (value: unknown): AuthFile => (isObject(value) ? value : {});

/** The helper that a file names for a host: that of the host, else the one for all hosts. @throws CONFIG_INVALID */
export function helperOf(file: AuthFile, host: string, path: string): string | undefined {
  const helpers = objectOf(file["credHelpers"]);
  // An empty name says that this host has its entry in the file itself.
  const own = serverKeys(host).find((key) => typeof helpers[key] === "string");
  const name = own === undefined ? file["credsStore"] : helpers[own];
  if (typeof name !== "string" || name === "") return undefined;
  if (isHelperName(name)) return name;
  const field = own === undefined ? "credsStore" : `credHelpers.${JSON.stringify(own)}`;
  throw invalidConfig(
    path,
    `${field} names the credential helper ${shortened(name)}; such a name has letters, digits and hyphens, at most 200`,
  );
}

const shortened = (name: string): string => JSON.stringify(name.length > 60 ? `${name.slice(0, 60)}...` : name);

/** Changes the entries (`auths`) of a file, one process at a time. Only its owner can read the file (0600). */
export async function changeAuths(path: string, change: (auths: AuthFile) => void): Promise<void> {
  await makeDirectories(dirname(path), 0o700);
  // A symbolic link stays one: the file that it points to is locked and replaced, for all links to it alike.
  const target = await realpath(path).catch(() => path);
  await withLock(`${target}.lock`, async () => {
    const file = (await readAuthFile(target, { toWrite: true })) ?? {};
    const auths = { ...objectOf(file["auths"]) };
    change(auths);
    await removeAbandoned(dirname(target), [basename(target)]);
    try {
      await replaceFile(target, `${JSON.stringify({ ...file, auths }, null, "\t")}\n`);
    } catch (error) {
      throw await fileSystemError(error, "writing", target);
    }
  });
}
