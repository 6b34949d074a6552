import { readdir } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { errnoOf, GantryError, isGantryError } from "../base/error.ts";
import { algorithmOf, type Digest, digestAlgorithms, hexOf } from "../spec/digest.ts";
import { fileSystemError } from "../sys/fs-error.ts";
import { insteadOfDirectory, requireDirectory, requireFile } from "../sys/in-place.ts";

/** The default directory of a store: GANTRY_STORE, else /var/lib/gantry as root, else below the user's data home. */
export function defaultStoreDirectory(env: NodeJS.ProcessEnv = process.env): string {
  if (env["GANTRY_STORE"]) return env["GANTRY_STORE"];
  if (process.getuid?.() === 0) return "/var/lib/gantry";
  return join(env["XDG_DATA_HOME"] || join(homedir(), ".local", "share"), "gantry");
}

/** The namespace of a store that was opened without one. */
export const DEFAULT_NAMESPACE = "default";

/** The SQLite database in the directory of a store or of a served layout. */
export const namesFile = (directory: string): string => join(directory, "names.db");

/** A blob's file, below `blobs/` or another directory like it. */
export function blobFile(directory: string, digest: Digest): string {
  return join(directory, algorithmOf(digest), hexOf(digest));
}

/** The directories whose listings say which blobs a store has. */
export const blobListings = (directory: string): readonly string[] =>
  digestAlgorithms.map((algorithm) => join(directory, "blobs", algorithm));

/** The files that say which names a store with a SQLite database has. */
export const nameListings = (directory: string): readonly string[] =>
  ["version.json", "names.db", "names.db-wal"].map((name) => join(directory, name));

/** A file in the cache of a store. It can be removed at any time. */
export const derivedFile = (directory: string, name: string): string => join(directory, "cache", name);

/** The directories of a store that gantry writes to or removes from. */
const directories = [
  "blobs",
  ...digestAlgorithms.map((algorithm) => `blobs/${algorithm}`),
  "cache",
  "layers",
  "leases",
  "tmp",
  "tmp/partial",
  "trash",
];
const files = ["version.json", "oci-layout", "index.json", "names.db", "names.db-wal", "names.db-shm"];

/**
 * @throws NOT_REGULAR_FILE where a part of the store is a symbolic link, or not the expected kind of file; STORE_INVALID
 * where the store itself is a file
 */
export function requireOwnParts(directory: string): void {
  const found = insteadOfDirectory(directory);
  if (found !== undefined) {
    const message = `${directory} ${found}, not the directory of a store; name a directory with --store`;
    throw new GantryError("STORE_INVALID", message, { details: { path: directory } });
  }
  for (const name of directories) requireDirectory(join(directory, name));
  for (const name of files) requireFile(join(directory, name));
}

/** Whether an error says that the file system, or the permissions of a file, forbid writing. */
export function isUnwritable(error: unknown): boolean {
  const errno = isGantryError(error) ? error.details["errno"] : errnoOf(error);
  return ["EROFS", "EACCES", "EPERM"].includes(String(errno));
}

/** The names in a directory; none where it is missing. @throws FILE_SYSTEM where it cannot be read */
export async function namesIn(path: string): Promise<string[]> {
  try {
    return await readdir(path);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return [];
    throw await fileSystemError(error, "listing", path);
  }
}

/** The existing blobs, as `ALGORITHM:NAME`: the name of a file may not be a digest. */
export async function inventory(directory: string): Promise<ReadonlySet<string>> {
  const found = new Set<string>();
  for (const algorithm of digestAlgorithms) {
    for (const name of await namesIn(join(directory, "blobs", algorithm))) found.add(`${algorithm}:${name}`);
  }
  return found;
}
