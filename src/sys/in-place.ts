import { lstatSync, type Stats } from "node:fs";
import { GantryError } from "../base/error.ts";

/**
 * A symbolic link in place of a part of a store or layout would lead writes and deletes out of its directory. So each
 * part is checked before it is used: it must be a real directory or file.
 */

/** @throws NOT_REGULAR_FILE if the path exists and is not a directory */
export function requireDirectory(path: string): void {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found && !found.isDirectory()) throw misplaced(path, found, "a directory");
}

/** @throws NOT_REGULAR_FILE if the path exists and is not a regular file */
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
    `${path} is ${what}, but must be ${wanted}; nothing was read or written through it. Replace it with ${wanted}`,
    { details: { path } },
  );
}
