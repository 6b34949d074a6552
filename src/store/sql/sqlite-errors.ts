import { accessSync, constants } from "node:fs";
import { dirname } from "node:path";
import { GantryError, messageOf } from "../../base/error.ts";
import { fileSystemError } from "../../sys/fs-error.ts";

/** Result codes of SQLite (https://sqlite.org/rescode.html). */
const BUSY = 5;
const LOCKED = 6;
const READONLY = 8;
const IO_ERROR = 10;
const CORRUPT = 11;
const FULL = 13;
const CANNOT_OPEN = 14;
const NOT_A_DATABASE = 26;

/** The primary result code; 0 for an error without one. */
function resultCode(error: unknown): number {
  const { rawCode, errcode } = error as { rawCode?: number | undefined; errcode?: number | undefined };
  return (rawCode ?? errcode ?? 0) & 0xff;
}

/** Whether another connection holds a lock that this one needs. */
export const isBusy = (error: unknown): boolean => [BUSY, LOCKED].includes(resultCode(error));

/** Whether SQLite could not open a database because this process may not write to it or to its directory. */
export function isReadOnly(error: unknown, path: string): boolean {
  return [READONLY, CANNOT_OPEN].includes(resultCode(error)) && whyUnwritable(path) !== undefined;
}

/** The system's error for writing to a database or its directory; undefined where writing is allowed. */
function whyUnwritable(path: string): unknown {
  try {
    for (const it of [dirname(path), path]) accessSync(it, constants.W_OK);
    return undefined;
  } catch (error) {
    return error;
  }
}

/** SQLite's errors as errors of a store. @param repair the command that restores a damaged database */
export async function explainSqlite(path: string, error: unknown, repair: string | undefined): Promise<unknown> {
  const message = `the database ${path}: ${messageOf(error)}`;
  switch (resultCode(error)) {
    case BUSY:
    case LOCKED:
      return new GantryError("LOCK_TIMEOUT", `${message}; other processes kept it locked for a minute; try again`, {
        cause: error,
      });
    case FULL:
      return new GantryError("NO_SPACE", `${message}; make room and try again`, { cause: error });
    case CORRUPT:
    case NOT_A_DATABASE: {
      const next = repair === undefined ? "" : `; \`${repair}\` restores it from index.json`;
      return new GantryError("STORE_INVALID", `${message}${next}`, { cause: error });
    }
    case READONLY: {
      const unwritable = whyUnwritable(path);
      if (unwritable) return fileSystemError(unwritable, "writing", path);
      return new GantryError("FILE_SYSTEM", message, { cause: error });
    }
    case IO_ERROR:
    case CANNOT_OPEN:
      return new GantryError("FILE_SYSTEM", message, { cause: error });
    default:
      return error;
  }
}
