import { GantryError, isGantryError, messageOf } from "../../base/error.ts";
import type { Run, SqlDatabase, SqlRow, SqlSession } from "./database.ts";

/** The most connections of one process. */
const CONNECTIONS = 4;
const CONNECT_MS = 10_000;
/** PostgreSQL's number for the type BIGINT. */
const BIGINT = 20;

/** Opens a PostgreSQL database by its address, `postgres://user@host/database`. The first use connects. */
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
    // By default the driver returns a BIGINT as text, because it may be too large for a number. Ours are safe integers.
    types: { getTypeParser: (id, format) => (id === BIGINT ? Number : pg.types.getTypeParser(id, format)) },
  });
  // The pool replaces an idle connection that fails.
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
      // Without a listener, a server that stops between two statements would end this process.
      const onError = (): void => {
        broken = true;
      };
      client.on("error", onError);
      const run: Run = async (sql, ...values) => {
        try {
          return (await client.query<SqlRow>(numbered(sql), [...values])).rows;
        } catch (error) {
          // An error without an SQLSTATE code comes from the connection.
          broken ||= !/^[0-9A-Z]{5}$/.test((error as { code?: string | undefined }).code ?? "");
          throw failed(error);
        }
      };
      const command = async (sql: string): Promise<void> => void (await run(sql));
      return {
        run,
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

/** PostgreSQL's placeholders (`$1`, `$2`) in place of each `?`. */
function numbered(sql: string): string {
  let count = 0;
  return sql.replace(/\?/g, () => {
    count += 1;
    return `$${count}`;
  });
}

/** The address to show in messages: user, host and database, without the password and the options. */
function withoutSecrets(address: string): string {
  try {
    const { protocol, username, host, pathname } = new URL(address);
    return `${protocol}//${username ? `${username}@` : ""}${host}${pathname}`;
  } catch {
    return "postgres://...";
  }
}
