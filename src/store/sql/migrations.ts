import { randomInt } from "node:crypto";
import { type Run, type SqlDatabase, transaction } from "./database.ts";
import { numberOf, setNumber } from "./meta.ts";
import { requireKnown, SCHEMA_VERSION } from "./version.ts";

/**
 * Steps from one version of the tables to the next. Version N is what the first N steps made, so a released step never
 * changes. Documents are JSON and times RFC 3339, both as text. `text` is the column type of names, which are compared
 * and ordered by their bytes.
 */
const migrations: readonly [...((run: Run, text: string) => Promise<void>)[]] & {
  readonly length: typeof SCHEMA_VERSION;
} = [
  async (run, text) => {
    await run(`
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
      )`);
    // The id identifies this database, so that a store notices when it is opened with another one.
    const id = randomInt(1, 2 ** 47);
    await run(`INSERT INTO gantry_meta (key, value) VALUES ('generation', 0), ('id', ?)`, id);
  },
  async (run, text) => {
    await run(`
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
      )`);
    await run(`CREATE INDEX gantry_referrers ON gantry_manifests (repository, subject, digest)`);
    await run(`CREATE INDEX gantry_manifest_digests ON gantry_manifests (digest)`);
    await run(`
      CREATE TABLE gantry_blobs (
        repository ${text} NOT NULL,
        digest ${text} NOT NULL,
        PRIMARY KEY (repository, digest)
      )`);
    await run(`CREATE INDEX gantry_blob_digests ON gantry_blobs (digest)`);
    await run(`
      CREATE TABLE gantry_tags (
        repository ${text} NOT NULL,
        tag ${text} NOT NULL,
        digest TEXT NOT NULL,
        generation BIGINT NOT NULL,
        PRIMARY KEY (repository, tag)
      )`);
    await run(`CREATE INDEX gantry_tag_digests ON gantry_tags (repository, digest)`);
  },
];

/** The lock of a migration: several hosts may migrate one database at once. */
const MIGRATION_LOCK = 7263541;

/** Brings the tables to the version that this code knows. @throws STORE_VERSION for newer ones, which stay unchanged */
export async function migrate(database: SqlDatabase): Promise<void> {
  const text = database.dialect === "postgres" ? 'TEXT COLLATE "C"' : "TEXT";
  await transaction(
    database,
    async (run) => {
      await run(`CREATE TABLE IF NOT EXISTS gantry_meta (key TEXT PRIMARY KEY, value BIGINT NOT NULL)`);
      const version = await numberOf(run, "schema");
      requireKnown(database, version);
      if (version === SCHEMA_VERSION) return;
      for (const step of migrations.slice(version)) await step(run, text);
      await setNumber(run, "schema", SCHEMA_VERSION);
    },
    MIGRATION_LOCK,
  );
}
