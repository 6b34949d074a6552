import {
  type CompiledQuery,
  type DatabaseConnection,
  type Driver,
  Kysely,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  type QueryResult,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from "kysely";
import type { SqlDatabase, SqlSession, SqlValue } from "./database.ts";

/** The tables, the same in every database. Documents and times are text, as JSON and RFC 3339 write them. */
export interface Tables {
  gantry_images: {
    namespace: string;
    name: string;
    digest: string;
    media_type: string;
    target: string;
    labels: string;
    created_at: string;
    updated_at: string;
  };
  gantry_meta: { key: string; value: number };
}

/** The query builder over one of our databases. */
export function queryBuilder(database: SqlDatabase): Kysely<Tables> {
  const sqlite = database.dialect === "sqlite";
  return new Kysely<Tables>({
    dialect: {
      createAdapter: () => (sqlite ? new SqliteAdapter() : new PostgresAdapter()),
      createQueryCompiler: () => (sqlite ? new SqliteQueryCompiler() : new PostgresQueryCompiler()),
      createIntrospector: (db) => (sqlite ? new SqliteIntrospector(db) : new PostgresIntrospector(db)),
      createDriver: () => driverOf(database),
    },
  });
}

class Connection implements DatabaseConnection {
  readonly session: SqlSession;

  constructor(session: SqlSession) {
    this.session = session;
  }

  async executeQuery<R>({ sql, parameters }: CompiledQuery): Promise<QueryResult<R>> {
    return { rows: (await this.session.query(sql, parameters as SqlValue[])) as R[] };
  }

  // biome-ignore lint/correctness/useYield: nothing here streams
  async *streamQuery(): AsyncGenerator<never> {
    throw new Error("streaming is not used");
  }
}

function driverOf(database: SqlDatabase): Driver {
  const session = (connection: DatabaseConnection): SqlSession => (connection as Connection).session;
  return {
    init: async () => {},
    acquireConnection: async () => new Connection(await database.acquire()),
    beginTransaction: (connection) => session(connection).begin(),
    commitTransaction: (connection) => session(connection).commit(),
    rollbackTransaction: (connection) => session(connection).rollback(),
    releaseConnection: async (connection) => session(connection).release(),
    destroy: () => database.close(),
  };
}
