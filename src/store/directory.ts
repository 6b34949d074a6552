import { readdir } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { errnoOf, isGantryError } from "../base/error.ts";
import { fileSystemError } from "../sys/fs-error.ts";
import { requireDirectory, requireFile } from "../sys/in-place.ts";

/** Where a store is when nobody says: GANTRY_STORE, else /var/lib/gantry as root, else below the user's data home. */
export function defaultStoreDirectory(env: NodeJS.ProcessEnv = process.env): string {
  if (env["GANTRY_STORE"]) return env["GANTRY_STORE"];
  if (process.getuid?.() === 0) return "/var/lib/gantry";
  return join(env["XDG_DATA_HOME"] || join(homedir(), ".local", "share"), "gantry");
}

/** The namespace of names that say none. */
export const DEFAULT_NAMESPACE = "default";

/** The database of a store that keeps its names itself. */
export const namesFile = (directory: string): string => join(directory, "names.db");

/** What tells which blobs a store has. */
export const blobListings = (directory: string): readonly string[] =>
  ["sha256", "sha512"].map((algorithm) => join(directory, "blobs", algorithm));

/** What tells which names a store that keeps them itself has. */
export const nameListings = (directory: string): readonly string[] =>
  ["version.json", "names.db", "names.db-wal"].map((name) => join(directory, name));

/** Where what follows from a store is kept; it can be removed at any time. */
export const derivedFile = (directory: string, name: string): string => join(directory, "cache", name);

/** The parts of a store that are written to or deleted from. */
const directories = [
  "blobs",
  "blobs/sha256",
  "blobs/sha512",
  "cache",
  "layers",
  "leases",
  "tmp",
  "tmp/partial",
  "trash",
];
const files = ["version.json", "oci-layout", "index.json", "names.db", "names.db-wal", "names.db-shm"];

/** @throws NOT_REGULAR_FILE where a link, or another kind of file, has the place of a part of the store */
export function requireOwnParts(directory: string): void {
  for (const name of directories) requireDirectory(join(directory, name));
  for (const name of files) requireFile(join(directory, name));
}

/** Whether an error says that a file system, or the permissions of a file, forbid to write. */
export function isUnwritable(error: unknown): boolean {
  const errno = isGantryError(error) ? error.details["errno"] : errnoOf(error);
  return ["EROFS", "EACCES", "EPERM"].includes(String(errno));
}

/** The names in a directory; none where there is no directory. Not being able to look is not the same as nothing there. */
export async function namesIn(path: string): Promise<string[]> {
  try {
    return await readdir(path);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return [];
    throw await fileSystemError(error, "listing", path);
  }
}
