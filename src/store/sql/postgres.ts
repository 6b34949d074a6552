import { GantryError, isGantryError, messageOf } from "../../base/error.ts";
import type { SqlDatabase, SqlRow, SqlSession } from "./database.ts";

/** Connections of one process at once. */
const CONNECTIONS = 4;
const CONNECT_MS = 10_000;

/** A PostgreSQL database by its address, `postgres://user@host/database`. Nothing is connected before it is used. */
export async function openPostgres(address: string): Promise<SqlDatabase> {
  const name = withoutSecrets(address);
  const { default: pg } = await import("pg");
  const pool = new pg.Pool({
    connectionString: address,
    max: CONNECTIONS,
    connectionTimeoutMillis: CONNECT_MS,
    idleTimeoutMillis: 5_000,
    allowExitOnIdle: true,
    application_name: "gantry",
  });
  // A connection that dies while nobody uses it is replaced when somebody does.
  pool.on("error", () => {});
  const failed = (error: unknown): unknown => {
    if (isGantryError(error)) return error;
    const said = messageOf(error) || (error as { code?: string | undefined }).code || "it did not answer";
    return new GantryError("DATABASE_FAILED", `the database ${name}: ${said.replaceAll(address, name)}`, {
      details: { database: name },
    });
  };
  let open = true;
  return {
    dialect: "postgres",
    name,
    async acquire(): Promise<SqlSession> {
      const client = await pool.connect().catch((error: unknown) => {
        throw failed(error);
      });
      let broken = false;
      // A server that goes away between two statements must not take this process with it.
      const onError = (): void => {
        broken = true;
      };
      client.on("error", onError);
      const run = async (sql: string, parameters: readonly unknown[] = []): Promise<readonly SqlRow[]> => {
        try {
          return (await client.query(sql, [...parameters])).rows as SqlRow[];
        } catch (error) {
          // What has no code of SQL's is the connection's own fault.
          broken ||= !/^[0-9A-Z]{5}$/.test((error as { code?: string | undefined }).code ?? "");
          throw failed(error);
        }
      };
      const command = async (sql: string): Promise<void> => void (await run(sql));
      return {
        query: run,
        begin: () => command("BEGIN"),
        commit: () => command("COMMIT"),
        async rollback() {
          await command("ROLLBACK").catch(() => {});
        },
        release() {
          client.off("error", onError);
          client.release(broken);
        },
      };
    },
    async close() {
      if (!open) return;
      open = false;
      await pool.end();
    },
  };
}

/** The address as it may be shown: who and where, without the password and the options. */
export function withoutSecrets(address: string): string {
  try {
    const { protocol, username, host, pathname } = new URL(address);
    return `${protocol}//${username ? `${username}@` : ""}${host}${pathname}`;
  } catch {
    return "postgres://...";
  }
}
