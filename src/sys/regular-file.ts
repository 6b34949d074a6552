import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { errnoOf, GantryError } from "../base/error.ts";
import { formatBytes } from "../base/text.ts";
import { fileSystemError } from "./fs-error.ts";

/**
 * Opens files in places where something else may be: a fifo or device does not block, and only a regular file is accepted.
 */

export interface RegularFileOptions {
  /** Follow a symbolic link in the last component: for files of the user, never for files of gantry. */
  readonly follow?: boolean | undefined;
}

export interface SmallFileOptions extends RegularFileOptions {
  /** The largest size in bytes that is read. */
  readonly limit: number;
}

const READ = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0) | (constants.O_NOCTTY ?? 0);
const flags = ({ follow }: RegularFileOptions): number => READ | (follow ? 0 : (constants.O_NOFOLLOW ?? 0));

/** Both mean that there is no file at the path. */
const isAbsent = (error: unknown): boolean => ["ENOENT", "ENOTDIR"].includes(errnoOf(error) ?? "");

/**
 * Opens a regular file for reading.
 * @returns undefined where there is no file
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
    const fault = openFault(error, path);
    if (fault !== "other") return fault;
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
 * @returns undefined where there is no file
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
    const fault = openFault(error, path);
    if (fault !== "other") return fault;
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

/** Undefined where an error of `open` means that there is no file. @throws NOT_REGULAR_FILE where it means that */
function openFault(error: unknown, path: string): undefined | "other" {
  if (isAbsent(error)) return undefined;
  if (errnoOf(error) === "ELOOP") throw notRegular(path, "a symbolic link");
  if (["ENXIO", "ENODEV", "EOPNOTSUPP"].includes(errnoOf(error) ?? "")) throw notRegular(path, "a special file");
  return "other";
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
