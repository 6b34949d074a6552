import { statfs } from "node:fs/promises";
import { errnoOf, GantryError, isGantryError, messageOf } from "../base/error.ts";
import { formatBytes } from "../base/text.ts";

const noSpace: ReadonlySet<string> = new Set(["ENOSPC", "EDQUOT", "EROFS"]);

/**
 * Turns what the file system threw into a typed error: NO_SPACE with the path, the bytes needed and the bytes free,
 * FILE_SYSTEM otherwise. Errors of ours pass through.
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
  const free = await statfs(path).then(
    (stat) => stat.bavail * stat.bsize,
    () => undefined,
  );
  const needed = need === undefined ? "" : `, ${formatBytes(need)} needed`;
  const left = free === undefined ? "" : `, ${formatBytes(free)} free`;
  const reason = errno === "EROFS" ? "the file system is read-only" : `no space left${needed}${left}`;
  return new GantryError("NO_SPACE", `${action} ${path}: ${reason}; free some space or choose another directory`, {
    cause: error,
    details: { path, errno, need, free },
  });
}
