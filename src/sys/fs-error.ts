import { statfs } from "node:fs/promises";
import { dirname } from "node:path";
import { errnoOf, GantryError, isGantryError, messageOf } from "../base/error.ts";
import { formatBytes } from "../base/text.ts";

const noSpace: ReadonlySet<string> = new Set(["ENOSPC", "EDQUOT", "EROFS"]);

/**
 * Turns an error of the file system into a typed one: NO_SPACE with the path, the bytes needed and the bytes free,
 * FILE_SYSTEM otherwise. Other errors are returned as they are.
 */
export async function fileSystemError(error: unknown, action: string, path: string, need?: number): Promise<unknown> {
  const errno = errnoOf(error);
  if (isGantryError(error) || errno === undefined || !/^E[A-Z0-9]+$/.test(errno)) return error;
  if (!noSpace.has(errno)) {
    return new GantryError("FILE_SYSTEM", `${action} ${path}: ${messageOf(error)}`, {
      cause: error,
      details: { path, errno },
    });
  }
  const { why, free } = errno === "EROFS" ? readOnly : await room(errno, path, need);
  return new GantryError("NO_SPACE", `${action} ${path}: ${why}`, {
    cause: error,
    details: { path, errno, need, free },
  });
}

interface Room {
  readonly why: string;
  /** Bytes. */
  readonly free?: number | undefined;
}

const readOnly: Room = { why: "the file system is read-only; choose another directory" };

/** Why a write failed on the file system of a path, or of the nearest existing directory above it. */
async function room(errno: string, path: string, need?: number): Promise<Room> {
  const found = await statfs(path).catch(() => undefined);
  if (!found && dirname(path) !== path) return room(errno, dirname(path), need);
  const free = found && found.bavail * found.bsize;
  const needed = need === undefined ? "" : `, ${formatBytes(need)} needed`;
  const left = free === undefined ? "" : `, ${formatBytes(free)} free`;
  if (errno === "EDQUOT") {
    return { why: `the disk quota is used up${needed}; free some space or choose another directory`, free };
  }
  if (found && found.files > 0 && found.ffree === 0) {
    return { why: `no inodes left${left}; remove some files or choose another directory`, free };
  }
  return { why: `no space left${needed}${left}; free some space or choose another directory`, free };
}
