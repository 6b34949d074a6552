import { GantryError, isGantryError, messageOf } from "../../base/error.ts";
import { type SqlDatabase, withSession } from "./database.ts";
import { numberOf } from "./meta.ts";

/** The version of the tables that this code works with: how many migrations there are. */
export const SCHEMA_VERSION = 2;

/** The version of the tables of a database; 0 where it has no tables of gantry. */
export async function schemaVersion(database: SqlDatabase): Promise<number> {
  try {
    return await withSession(database, (run) => numberOf(run, "schema"));
  } catch (error) {
    const noTable = !isGantryError(error) || error.code === "DATABASE_FAILED";
    if (noTable && /gantry_meta/.test(messageOf(error))) return 0;
    throw error;
  }
}

/** @throws STORE_VERSION for tables that a newer gantry made */
export function requireKnown(database: SqlDatabase, version: number): void {
  if (version <= SCHEMA_VERSION) return;
  throw new GantryError(
    "STORE_VERSION",
    `the database ${database.name} has version ${version}, but this gantry knows only versions up to ${SCHEMA_VERSION}; it was not changed: use a newer gantry`,
  );
}
