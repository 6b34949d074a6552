import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { errnoOf, GantryError, hasErrno } from "../base/error.ts";
import { formatBytes } from "../base/text.ts";
import { fileSystemError } from "./fs-error.ts";

/** Opens paths that may not be regular files: a fifo or a device is refused, and opening it does not block. */

export interface RegularFileOptions {
  /** Follow a symbolic link in the last component: for files of the user, never for files that gantry writes. */
  readonly follow?: boolean | undefined;
}

export interface SmallFileOptions extends RegularFileOptions {
  /** The largest size in bytes that is read. */
  readonly limit: number;
}

const READ = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0) | (constants.O_NOCTTY ?? 0);
const flags = ({ follow }: RegularFileOptions): number => READ | (follow ? 0 : (constants.O_NOFOLLOW ?? 0));

/**
 * Opens a regular file for reading.
 * @returns undefined if the file is missing
 * @throws NOT_REGULAR_FILE, FILE_SYSTEM
 */
export async function openRegularFile(
  path: string,
  options: RegularFileOptions = {},
): Promise<{ handle: FileHandle; size: number } | undefined> {
  let handle: FileHandle;
  try {
    handle = await open(path, flags(options));
  } catch (error) {
    if (saysMissing(error, path)) return undefined;
    throw await fileSystemError(error, "opening", path);
  }
  try {
    const stat = await handle.stat();
    if (stat.isFile()) return { handle, size: stat.size };
    throw notRegular(path, stat.isDirectory() ? "a directory" : "a special file");
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/**
 * All bytes of a small file. Its size is checked before a byte is read, and again while it is read.
 * @returns undefined if the file is missing
 * @throws NOT_REGULAR_FILE, LIMIT_EXCEEDED, FILE_SYSTEM
 */
export async function readSmallFile(path: string, options: SmallFileOptions): Promise<Buffer | undefined> {
  const file = await openRegularFile(path, options);
  if (!file) return undefined;
  try {
    requireSmall(path, file.size, options.limit);
    let buffer: Buffer = Buffer.allocUnsafe(file.size + 1);
    let length = 0;
    for (;;) {
      const { bytesRead } = await file.handle.read(buffer, length, buffer.length - length, length);
      length += bytesRead;
      if (bytesRead === 0) return buffer.subarray(0, length);
      if (length === buffer.length) buffer = larger(path, buffer, options.limit);
    }
  } catch (error) {
    throw await fileSystemError(error, "reading", path);
  } finally {
    await file.handle.close();
  }
}

/** As {@link readSmallFile}, blocking. Errors of the file system are thrown as they are. */
export function readSmallFileSync(path: string, options: SmallFileOptions): Buffer | undefined {
  let fd: number;
  try {
    fd = openSync(path, flags(options));
  } catch (error) {
    if (saysMissing(error, path)) return undefined;
    throw error;
  }
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile()) throw notRegular(path, stat.isDirectory() ? "a directory" : "a special file");
    requireSmall(path, stat.size, options.limit);
    let buffer: Buffer = Buffer.allocUnsafe(stat.size + 1);
    let length = 0;
    for (;;) {
      const count = readSync(fd, buffer, length, buffer.length - length, length);
      length += count;
      if (count === 0) return buffer.subarray(0, length);
      if (length === buffer.length) buffer = larger(path, buffer, options.limit);
    }
  } finally {
    closeSync(fd);
  }
}

/** Whether an error of `open` says that the file is missing. @throws NOT_REGULAR_FILE if it says that it is not regular */
function saysMissing(error: unknown, path: string): boolean {
  if (errnoOf(error) === "ELOOP") throw notRegular(path, "a symbolic link");
  if (hasErrno(error, "ENXIO", "ENODEV", "EOPNOTSUPP")) throw notRegular(path, "a special file");
  return hasErrno(error, "ENOENT", "ENOTDIR");
}

function requireSmall(path: string, size: number, limit: number): void {
  if (size <= limit) return;
  throw new GantryError(
    "LIMIT_EXCEEDED",
    `${path} has ${formatBytes(size)}; a file of its kind has at most ${formatBytes(limit)}`,
    { details: { path, value: size, max: limit } },
  );
}

/** A larger buffer, for a file that grows while it is read. */
function larger(path: string, buffer: Buffer, limit: number): Buffer {
  requireSmall(path, buffer.length, limit);
  const more = Buffer.allocUnsafe(Math.min(2 * buffer.length + 4096, limit + 1));
  buffer.copy(more);
  return more;
}

function notRegular(path: string, what: string): GantryError<"NOT_REGULAR_FILE"> {
  return new GantryError("NOT_REGULAR_FILE", `${path} is ${what}; it must be a regular file`, { details: { path } });
}
