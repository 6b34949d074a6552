import { lstatSync, type Stats, statSync } from "node:fs";
import { errnoOf, GantryError } from "../base/error.ts";

/**
 * A symbolic link in place of a part of a store or layout would lead writes and deletes out of its directory. So each
 * part is checked before it is used: it must be a real directory or file.
 */

/** @throws NOT_REGULAR_FILE if the path exists and is not a directory */
export function requireDirectory(path: string): void {
  const found = entryAt(path);
  if (found && !found.isDirectory()) throw misplaced(path, found, "a directory");
}

/** @throws NOT_REGULAR_FILE if the path exists and is not a regular file */
export function requireFile(path: string): void {
  const found = entryAt(path);
  if (found && !found.isFile()) throw misplaced(path, found, "a regular file");
}

/** Below a file there is nothing: whether a store or layout is a file is checked where it is opened. */
function entryAt(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch (error) {
    if (errnoOf(error) === "ENOTDIR") return undefined;
    throw error;
  }
}

/**
 * What is at the path of a whole store or layout, where that is not a directory: `is a file`. The path itself may be a
 * symbolic link to a directory.
 * @returns undefined for a directory, and where nothing exists
 */
export function insteadOfDirectory(path: string): string | undefined {
  try {
    const found = statSync(path, { throwIfNoEntry: false });
    return found && !found.isDirectory() ? `is ${kindOf(found)}` : undefined;
  } catch (error) {
    // Other errors are reported by the first use of the directory.
    return errnoOf(error) === "ENOTDIR" ? "is below a file" : undefined;
  }
}

function kindOf(found: Stats): string {
  if (found.isSymbolicLink()) return "a symbolic link";
  if (found.isDirectory()) return "a directory";
  return found.isFile() ? "a file" : "a special file";
}

function misplaced(path: string, found: Stats, wanted: string): GantryError<"NOT_REGULAR_FILE"> {
  return new GantryError(
    "NOT_REGULAR_FILE",
    `${path} is ${kindOf(found)}, but must be ${wanted}; nothing was read or written through it. Replace it with ${wanted}`,
    { details: { path } },
  );
}
