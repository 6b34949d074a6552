import { accessSync, constants } from "node:fs";
import { rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Semaphore, sleep } from "../../base/async.ts";
import { GantryError, messageOf } from "../../base/error.ts";
import { fileSystemError } from "../../sys/fs-error.ts";
import type { SqlDatabase, SqlRow, SqlSession, SqlValue } from "./database.ts";
import { privateCopy } from "./private-copy.ts";

/** What libsql and node:sqlite have in common. */
interface Handle {
  exec(sql: string): unknown;
  prepare(sql: string): {
    readonly reader?: boolean | undefined;
    all(...values: unknown[]): unknown[];
    run(...values: unknown[]): unknown;
  };
  close(): void;
}

type Driver = "node:sqlite" | "libsql";

export interface SqliteOptions {
  /** The command that makes a damaged database anew. */
  readonly repair?: string | undefined;
}

/** How long a writer waits for the others. Milliseconds. */
const WAIT_MS = 60_000;

/** node:sqlite where this Node has it, else libsql. */
async function openHandle(path: string): Promise<{ handle: Handle; driver: Driver }> {
  const [major, minor] = process.versions.node.split(".").map(Number) as [number, number];
  if (major > 22 || (major === 22 && minor >= 13)) {
    const { DatabaseSync } = await importNodeSqlite();
    return { handle: new DatabaseSync(path) as Handle, driver: "node:sqlite" };
  }
  let Database: new (path: string) => Handle;
  try {
    Database = ((await import("libsql")) as unknown as { default: typeof Database }).default;
  } catch (error) {
    throw new GantryError(
      "NATIVE_UNAVAILABLE",
      `the store's database needs Node 22.13 or the optional package libsql, which cannot be loaded: ${messageOf(error)}`,
      { cause: error },
    );
  }
  return { handle: new Database(path), driver: "libsql" };
}

/** Once, for all that open a database at the same time: what they put aside must come back as it was. */
let nodeSqlite: Promise<{ DatabaseSync: new (path: string) => unknown }> | undefined;

/** Without the warning that it is experimental: nobody who lists images can do anything about that. */
function importNodeSqlite(): NonNullable<typeof nodeSqlite> {
  if (nodeSqlite) return nodeSqlite;
  const { emitWarning } = process;
  process.emitWarning = () => {};
  nodeSqlite = import("node:sqlite" as string).finally(() => {
    process.emitWarning = emitWarning;
  });
  return nodeSqlite;
}

/** The result code of SQLite, without its extension. */
function resultCode(error: unknown): number {
  const { rawCode, errcode } = error as { rawCode?: number | undefined; errcode?: number | undefined };
  return (rawCode ?? errcode ?? 0) & 0xff;
}
const BUSY = 5;
const LOCKED = 6;
const READONLY = 8;
const CANNOT_OPEN = 14;
const isBusy = (error: unknown): boolean => [BUSY, LOCKED].includes(resultCode(error));

/**
 * A SQLite database in a file that exists (an empty one will do). Several processes may have it open: it is in WAL
 * mode, readers never wait, and writers wait for each other without keeping this process from its other work. Nothing
 * else in this process may open the file: closing it again would take SQLite's locks away (that is how POSIX has it).
 * Where the file cannot be written, it is read: as it is where SQLite can, else from a copy.
 */
export async function openSqlite(
  path: string,
  options: SqliteOptions = {},
): Promise<SqlDatabase & { readonly driver: Driver }> {
  const failed = (error: unknown): Promise<unknown> => explain(path, error, options);
  let handle: Handle;
  let driver: Driver;
  try {
    ({ handle, driver } = await openHandle(path));
  } catch (error) {
    throw await failed(error);
  }
  let copy: string | undefined;
  const turn = new Semaphore(1);

  function run(sql: string, ...values: readonly SqlValue[]): readonly SqlRow[] {
    const statement = handle.prepare(sql);
    // The drivers bind a number as REAL, and a bigint as INTEGER.
    const bound = values.map((value) => (Number.isSafeInteger(value) ? BigInt(value as number) : value));
    if (statement.reader !== false) return statement.all(...bound) as SqlRow[];
    statement.run(...bound);
    return [];
  }

  const patiently = <T>(work: () => T): Promise<T> =>
    retried(work).catch(async (error: unknown) => {
      throw await failed(error);
    });

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

  const begin = (): void => {
    handle.exec("PRAGMA busy_timeout = 10");
    const [mode] = run("PRAGMA journal_mode");
    if (mode?.["journal_mode"] !== "wal") handle.exec("PRAGMA journal_mode = WAL");
  };
  try {
    await retried(begin);
  } catch (error) {
    handle.close();
    if (![READONLY, CANNOT_OPEN].includes(resultCode(error)) || !whyUnwritable(path)) throw await failed(error);
    copy = await privateCopy(path);
    ({ handle, driver } = await openHandle(join(copy, "names.db")));
    await patiently(() => {
      begin();
      handle.exec("PRAGMA query_only = ON");
      run("SELECT count(*) FROM sqlite_master");
    });
    // It is open, and needs no name any more: nothing stays where this process is killed.
    await rm(copy, { recursive: true, force: true }).catch(() => {});
  }
  let open = true;
  return {
    dialect: "sqlite",
    name: path,
    driver,
    async acquire(): Promise<SqlSession> {
      const release = await turn.acquire();
      return {
        run: (sql, ...values) => patiently(() => run(sql, ...values)),
        begin: () => patiently(() => void handle.exec("BEGIN IMMEDIATE")),
        commit: () => patiently(() => void handle.exec("COMMIT")),
        async rollback() {
          try {
            handle.exec("ROLLBACK");
          } catch {
            // After a full disk SQLite has done it by itself; what went wrong is on its way to the caller.
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
        // libsql closes when the garbage collector comes by; what is in the log goes into the database now.
        if (driver === "libsql" && copy === undefined) run("PRAGMA wal_checkpoint(TRUNCATE)");
      } catch {
        // Others are at it. The log keeps what it has.
      }
      handle.close();
      if (copy !== undefined) await rm(copy, { recursive: true, force: true });
    },
  };
}

/** What the system says to writing a database, and beside it; undefined where it may be written. */
function whyUnwritable(path: string): unknown {
  try {
    for (const it of [dirname(path), path]) accessSync(it, constants.W_OK);
    return undefined;
  } catch (error) {
    return error;
  }
}

/** What SQLite's errors mean to somebody who has a store. */
async function explain(path: string, error: unknown, { repair }: SqliteOptions): Promise<unknown> {
  const code = resultCode(error);
  const said = `the database ${path}: ${messageOf(error)}`;
  if (code === BUSY || code === LOCKED) {
    return new GantryError("LOCK_TIMEOUT", `${said}; other processes kept it for a minute, try again`, {
      cause: error,
    });
  }
  if (code === 13) return new GantryError("NO_SPACE", `${said}; make room and try again`, { cause: error });
  if (code === 11 || code === 26) {
    const next = repair === undefined ? "" : `; \`${repair}\` makes it anew from index.json`;
    return new GantryError("STORE_INVALID", `${said}${next}`, { cause: error });
  }
  const unwritable = code === READONLY ? whyUnwritable(path) : undefined;
  if (unwritable) return fileSystemError(unwritable, "writing", path);
  if (code === READONLY || code === 10 || code === CANNOT_OPEN)
    return new GantryError("FILE_SYSTEM", said, { cause: error });
  return error;
}
