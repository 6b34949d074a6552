/** A value that any of the databases takes and gives back as it was. */
export type SqlValue = string | number | bigint | null;
export type SqlRow = Readonly<Record<string, unknown>>;

/** One connection, for a caller of its own until it is released. */
export interface SqlSession {
  query(sql: string, parameters: readonly SqlValue[]): Promise<readonly SqlRow[]>;
  /** Begins a transaction that may write: from here on nobody else does, in SQLite. */
  begin(): Promise<void>;
  commit(): Promise<void>;
  rollback(): Promise<void>;
  release(): void;
}

/** What the store needs of a database: SQLite in the store's directory, or PostgreSQL. */
export interface SqlDatabase {
  readonly dialect: "sqlite" | "postgres";
  /** Names it in messages, without a password. */
  readonly name: string;
  acquire(): Promise<SqlSession>;
  close(): Promise<void>;
}

/** Runs one statement on a connection of its own. */
export async function query(
  database: SqlDatabase,
  sql: string,
  parameters: readonly SqlValue[] = [],
): Promise<readonly SqlRow[]> {
  const session = await database.acquire();
  try {
    return await session.query(sql, parameters);
  } finally {
    session.release();
  }
}
