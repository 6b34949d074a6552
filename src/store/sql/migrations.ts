import { randomInt } from "node:crypto";
import { type Kysely, sql, type Transaction } from "kysely";
import type { SqlDatabase } from "./database.ts";
import { queryBuilder, type Tables } from "./kysely.ts";
import { requireKnown, SCHEMA_VERSION } from "./version.ts";

/**
 * Steps from one version of the tables to the next, never changed once released. Version N is what the first N made.
 * Names are compared and ordered by their bytes, in PostgreSQL too.
 */
const migrations: readonly [...((db: Transaction<Tables>, bytewise: string) => Promise<void>)[]] & {
  readonly length: typeof SCHEMA_VERSION;
} = [
  async (db, bytewise) => {
    const text = sql.raw(bytewise);
    await sql`
      CREATE TABLE gantry_images (
        namespace ${text} NOT NULL,
        name ${text} NOT NULL,
        digest TEXT NOT NULL,
        media_type TEXT NOT NULL,
        target TEXT NOT NULL,
        labels TEXT NOT NULL,
        created_at TEXT NOT NULL,
        updated_at TEXT NOT NULL,
        PRIMARY KEY (namespace, name)
      )`.execute(db);
    // Tells this database from every other one that a store might be shown.
    const id = randomInt(1, 2 ** 47);
    await db
      .insertInto("gantry_meta")
      .values([
        { key: "generation", value: 0 },
        { key: "id", value: id },
      ])
      .execute();
  },
  async (db, bytewise) => {
    const text = sql.raw(bytewise);
    await sql`
      CREATE TABLE gantry_manifests (
        repository ${text} NOT NULL,
        digest ${text} NOT NULL,
        media_type TEXT NOT NULL,
        size BIGINT NOT NULL,
        subject TEXT,
        artifact_type TEXT,
        annotations TEXT,
        by_digest SMALLINT NOT NULL,
        nested SMALLINT NOT NULL,
        PRIMARY KEY (repository, digest)
      )`.execute(db);
    await sql`CREATE INDEX gantry_referrers ON gantry_manifests (repository, subject, digest)`.execute(db);
    await sql`CREATE INDEX gantry_manifest_digests ON gantry_manifests (digest)`.execute(db);
    await sql`
      CREATE TABLE gantry_blobs (
        repository ${text} NOT NULL,
        digest ${text} NOT NULL,
        PRIMARY KEY (repository, digest)
      )`.execute(db);
    await sql`CREATE INDEX gantry_blob_digests ON gantry_blobs (digest)`.execute(db);
    await sql`
      CREATE TABLE gantry_tags (
        repository ${text} NOT NULL,
        tag ${text} NOT NULL,
        digest TEXT NOT NULL,
        generation BIGINT NOT NULL,
        PRIMARY KEY (repository, tag)
      )`.execute(db);
    await sql`CREATE INDEX gantry_tag_digests ON gantry_tags (repository, digest)`.execute(db);
  },
];

/** Brings the tables to the version that this code knows. @throws STORE_VERSION for newer ones, which are left alone */
export async function migrate(database: SqlDatabase): Promise<void> {
  const db: Kysely<Tables> = queryBuilder(database);
  const postgres = database.dialect === "postgres";
  await db.transaction().execute(async (transaction) => {
    // Several hosts may come at once; the lock is PostgreSQL's own, and ends with the transaction.
    if (postgres) await sql`SELECT pg_advisory_xact_lock(7263541)`.execute(transaction);
    await sql`CREATE TABLE IF NOT EXISTS gantry_meta (key TEXT PRIMARY KEY, value BIGINT NOT NULL)`.execute(
      transaction,
    );
    const found = await transaction
      .selectFrom("gantry_meta")
      .select("value")
      .where("key", "=", "schema")
      .executeTakeFirst();
    const version = Number(found?.value ?? 0);
    requireKnown(database, version);
    if (version === SCHEMA_VERSION) return;
    for (const step of migrations.slice(version)) await step(transaction, postgres ? 'TEXT COLLATE "C"' : "TEXT");
    await transaction.deleteFrom("gantry_meta").where("key", "=", "schema").execute();
    await transaction.insertInto("gantry_meta").values({ key: "schema", value: SCHEMA_VERSION }).execute();
  });
}
