import { GantryError, messageOf } from "../../base/error.ts";
import { Once } from "../../base/once.ts";

/** What libsql and node:sqlite have in common. */
export interface SqliteHandle {
  exec(sql: string): unknown;
  prepare(sql: string): {
    readonly reader?: boolean | undefined;
    all(...values: unknown[]): unknown[];
    run(...values: unknown[]): unknown;
  };
  close(): void;
}

export type SqliteDriver = "node:sqlite" | "libsql";

/** Opens a file with node:sqlite where this Node has it, else with libsql. @throws NATIVE_UNAVAILABLE */
export async function openHandle(path: string): Promise<{ handle: SqliteHandle; driver: SqliteDriver }> {
  const [major, minor] = process.versions.node.split(".").map(Number) as [number, number];
  if (major > 22 || (major === 22 && minor >= 13)) {
    const { DatabaseSync } = await nodeSqlite.get();
    return { handle: new DatabaseSync(path) as SqliteHandle, driver: "node:sqlite" };
  }
  let Database: new (path: string) => SqliteHandle;
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

/**
 * Node's module, loaded without its warning that it is experimental, which a user cannot act on. Once, because two loads
 * at the same time would restore `emitWarning` in the wrong order.
 */
const nodeSqlite: Once<{ DatabaseSync: new (path: string) => unknown }> = new Once(() => {
  const { emitWarning } = process;
  process.emitWarning = () => {};
  return import("node:sqlite" as string).finally(() => {
    process.emitWarning = emitWarning;
  });
});
