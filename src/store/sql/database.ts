/** A value that both databases store and give back unchanged. Numbers are safe integers. */
export type SqlValue = string | number | null;
/** A row by its columns: text is a string, an integer is a number, and NULL is null. */
export type SqlRow = Readonly<Record<string, unknown>>;

/** Runs one statement. Each `?` in it stands for the next value. */
export type Run = (sql: string, ...values: readonly SqlValue[]) => Promise<readonly SqlRow[]>;

/** One connection. Only its caller uses it until it is released. */
export interface SqlSession {
  readonly run: Run;
  /** Begins a transaction that may write. SQLite has one at a time, so the next one waits here. */
  begin(): Promise<void>;
  commit(): Promise<void>;
  rollback(): Promise<void>;
  release(): void;
}

/** What the store needs of a database: SQLite in the store's directory, or PostgreSQL. */
export interface SqlDatabase {
  readonly dialect: "sqlite" | "postgres";
  /** Names the database in messages, without a password. */
  readonly name: string;
  acquire(): Promise<SqlSession>;
  close(): Promise<void>;
}

/** Runs statements on one connection, each as a transaction of its own. */
export async function withSession<T>(database: SqlDatabase, work: (run: Run) => Promise<T>): Promise<T> {
  const session = await database.acquire();
  try {
    return await work(session.run);
  } finally {
    session.release();
  }
}

/** Runs one statement. */
export function query(database: SqlDatabase, sql: string, ...values: readonly SqlValue[]): Promise<readonly SqlRow[]> {
  return withSession(database, (run) => run(sql, ...values));
}

/**
 * Runs statements as one transaction: all of them take effect, or none where `work` throws.
 * @param lock transactions with the same lock run one after another. SQLite, which has one writer at a time, needs none
 */
export async function transaction<T>(
  database: SqlDatabase,
  work: (run: Run) => Promise<T>,
  lock?: number | string,
): Promise<T> {
  const session = await database.acquire();
  try {
    await session.begin();
    try {
      if (lock !== undefined && database.dialect === "postgres") {
        await session.run(`SELECT pg_advisory_xact_lock(${typeof lock === "number" ? "?" : "hashtext(?)"})`, lock);
      }
      const result = await work(session.run);
      await session.commit();
      return result;
    } catch (error) {
      await session.rollback();
      throw error;
    }
  } finally {
    session.release();
  }
}
