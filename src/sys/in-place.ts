import { lstatSync, type Stats } from "node:fs";
import { GantryError } from "../base/error.ts";

/**
 * The parts of a store or layout stand in its directory themselves. A symbolic link in place of one would lead what is
 * written or deleted out of the directory, so it is refused before anything is done through it.
 */

/** @throws NOT_REGULAR_FILE where something other than a directory is at the path; nothing at all is fine */
export function requireDirectory(path: string): void {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found && !found.isDirectory()) throw misplaced(path, found, "a directory");
}

/** @throws NOT_REGULAR_FILE where something other than a regular file is at the path; nothing at all is fine */
export function requireFile(path: string): void {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found && !found.isFile()) throw misplaced(path, found, "a regular file");
}

function misplaced(path: string, found: Stats, wanted: string): GantryError<"NOT_REGULAR_FILE"> {
  const what = found.isSymbolicLink()
    ? "a symbolic link"
    : found.isDirectory()
      ? "a directory"
      : found.isFile()
        ? "a file"
        : "a special file";
  return new GantryError(
    "NOT_REGULAR_FILE",
    `${path} is ${what}, and must be ${wanted}; nothing was done through it: put ${wanted} in its place`,
    { details: { path } },
  );
}
