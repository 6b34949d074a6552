import { rm } from "node:fs/promises";
import { join } from "node:path";
import { Semaphore, sleep } from "../../base/async.ts";
import type { SqlDatabase, SqlRow, SqlSession, SqlValue } from "./database.ts";
import { privateCopy } from "./private-copy.ts";
import { openHandle, type SqliteDriver, type SqliteHandle } from "./sqlite-driver.ts";
import { explainSqlite, isBusy, isReadOnly } from "./sqlite-errors.ts";

export interface SqliteOptions {
  /** The command that restores a damaged database, for messages. */
  readonly repair?: string | undefined;
}

/** How long a writer waits for the others. Milliseconds. */
const WAIT_MS = 60_000;

/**
 * Opens the SQLite database in an existing file, which may be empty. Several processes may have it open: it is in WAL
 * mode, so readers never wait, and a waiting writer does not block this process. Nothing else in this process may open
 * the file: closing it again would release SQLite's locks, because POSIX locks belong to the process. A file that
 * cannot be written to is opened for reading: directly where SQLite can, else as a copy.
 */
export async function openSqlite(
  path: string,
  options: SqliteOptions = {},
): Promise<SqlDatabase & { readonly driver: SqliteDriver }> {
  const failed = (error: unknown): Promise<unknown> => explainSqlite(path, error, options.repair);
  const opened = await openOrCopy(path).catch(async (error: unknown) => {
    throw await failed(error);
  });
  const { handle, driver, copy } = opened;
  const turn = new Semaphore(1);
  const patiently = <T>(work: () => T): Promise<T> =>
    retried(work).catch(async (error: unknown) => {
      throw await failed(error);
    });
  let open = true;
  return {
    dialect: "sqlite",
    name: path,
    driver,
    async acquire(): Promise<SqlSession> {
      const release = await turn.acquire();
      return {
        run: (sql, ...values) => patiently(() => runOn(handle, sql, values)),
        begin: () => patiently(() => void handle.exec("BEGIN IMMEDIATE")),
        commit: () => patiently(() => void handle.exec("COMMIT")),
        async rollback() {
          try {
            handle.exec("ROLLBACK");
          } catch {
            // After a full disk SQLite has rolled back by itself.
          }
        },
        release,
      };
    },
    async close() {
      if (!open) return;
      open = false;
      (await turn.acquire())();
      try {
        // libsql closes the file when its handle is garbage-collected. This writes the log into the database now.
        if (driver === "libsql" && copy === undefined) runOn(handle, "PRAGMA wal_checkpoint(TRUNCATE)", []);
      } catch {
        // The log stays, because another process uses it.
      }
      handle.close();
      if (copy !== undefined) await rm(copy, { recursive: true, force: true });
    },
  };
}

interface Opened {
  readonly handle: SqliteHandle;
  readonly driver: SqliteDriver;
  /** The directory of the copy that was opened instead. */
  readonly copy?: string | undefined;
}

async function openOrCopy(path: string): Promise<Opened> {
  const opened = await openHandle(path);
  try {
    await retried(() => useLog(opened.handle));
    return opened;
  } catch (error) {
    opened.handle.close();
    if (!isReadOnly(error, path)) throw error;
  }
  const copy = await privateCopy(path);
  try {
    const { handle, driver } = await openHandle(join(copy, "names.db"));
    await retried(() => {
      useLog(handle);
      handle.exec("PRAGMA query_only = ON");
      runOn(handle, "SELECT count(*) FROM sqlite_master", []);
    });
    return { handle, driver, copy };
  } finally {
    // The open files can be read without their names, and so nothing is left behind when this process is killed.
    await rm(copy, { recursive: true, force: true }).catch(() => {});
  }
}

/** Puts the database into WAL mode. */
function useLog(handle: SqliteHandle): void {
  handle.exec("PRAGMA busy_timeout = 10");
  const [mode] = runOn(handle, "PRAGMA journal_mode", []);
  if (mode?.["journal_mode"] !== "wal") handle.exec("PRAGMA journal_mode = WAL");
}

function runOn(handle: SqliteHandle, sql: string, values: readonly SqlValue[]): readonly SqlRow[] {
  const statement = handle.prepare(sql);
  // The drivers bind a number as REAL, and a bigint as INTEGER.
  const bound = values.map((value) => (Number.isSafeInteger(value) ? BigInt(value as number) : value));
  if (statement.reader !== false) return statement.all(...bound) as SqlRow[];
  statement.run(...bound);
  return [];
}

/** Retries work while other processes lock the database. This process runs on in the pauses. */
async function retried<T>(work: () => T): Promise<T> {
  const deadline = Date.now() + WAIT_MS;
  for (let pause = 1; ; pause = Math.min(pause * 2, 25)) {
    try {
      return work();
    } catch (error) {
      if (!isBusy(error) || Date.now() > deadline) throw error;
      await sleep(pause * (0.5 + Math.random()));
    }
  }
}
