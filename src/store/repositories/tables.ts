import type { Digest } from "../../spec/digest.ts";
import type { Descriptor } from "../../spec/types.ts";
import type { SqlDatabase, SqlRow, SqlSession, SqlValue } from "../sql/database.ts";

/** A manifest or index that a repository has. */
export interface ManifestRow {
  readonly descriptor: Descriptor;
  readonly subject?: Digest | undefined;
  readonly artifactType?: string | undefined;
  readonly annotations?: Readonly<Record<string, string>> | undefined;
  /** It was pushed under its digest alone, and so is kept though nothing names it. */
  readonly byDigest?: boolean | undefined;
}

/** Rows that are read at once: a page of a listing, and a part of one. */
const PAGE = 500;

/**
 * What belongs to which repository: manifests with what they refer to, blobs, and tags. Every statement goes by an index,
 * so that none costs more where there are more names.
 */
export class RepositoryTables {
  readonly #database: () => Promise<SqlDatabase>;

  constructor(database: () => Promise<SqlDatabase>) {
    this.#database = database;
  }

  /** Runs statements one by one. */
  async read<T>(work: (run: Run) => Promise<T>): Promise<T> {
    const database = await this.#database();
    const session = await database.acquire();
    try {
      return await work(runner(database, session));
    } finally {
      session.release();
    }
  }

  /** Runs statements as one change, kept apart from all others that write to the tables. */
  async change<T>(work: (run: Run) => Promise<T>): Promise<T> {
    const database = await this.#database();
    const session = await database.acquire();
    try {
      await session.begin();
      try {
        const run = runner(database, session);
        // SQLite has one writer at a time; elsewhere the first row that all of them change makes them wait.
        if (database.dialect === "postgres") await run(`SELECT pg_advisory_xact_lock(7263542)`);
        const result = await work(run);
        await session.commit();
        return result;
      } catch (error) {
        await session.rollback().catch(() => {});
        throw error;
      }
    } finally {
      session.release();
    }
  }
}

/** One statement, whose `?` stand for the values in their order. */
export type Run = (sql: string, ...values: readonly SqlValue[]) => Promise<readonly SqlRow[]>;

function runner({ dialect }: SqlDatabase, session: SqlSession): Run {
  if (dialect === "sqlite") return (sql, ...values) => session.query(sql, values);
  return (sql, ...values) => {
    let at = 0;
    return session.query(
      sql.replace(/\?/g, () => {
        at += 1;
        return `$${at}`;
      }),
      values,
    );
  };
}

export async function manifestOf(run: Run, repository: string, digest: Digest): Promise<ManifestRow | undefined> {
  const [row] = await run(
    `SELECT ${MANIFEST} FROM gantry_manifests WHERE repository = ? AND digest = ?`,
    repository,
    digest,
  );
  return row && toManifest(row);
}

export async function putManifest(run: Run, repository: string, manifest: ManifestRow): Promise<void> {
  const { descriptor, subject, artifactType, annotations, byDigest } = manifest;
  await run(
    `INSERT INTO gantry_manifests (repository, ${MANIFEST}, by_digest, nested) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0)
     ON CONFLICT (repository, digest) DO UPDATE SET media_type = excluded.media_type, size = excluded.size,
       subject = excluded.subject, artifact_type = excluded.artifact_type, annotations = excluded.annotations,
       by_digest = excluded.by_digest`,
    repository,
    descriptor.digest,
    descriptor.mediaType,
    descriptor.size,
    subject ?? null,
    artifactType ?? null,
    annotations ? JSON.stringify(annotations) : null,
    byDigest ? 1 : 0,
  );
}

/** Says whether an index of the repository lists a manifest, which then needs no entry of its own in index.json. */
export async function setNested(run: Run, repository: string, digest: string, nested: boolean): Promise<void> {
  // A referrer is reached from its subject alone, so it keeps its entry.
  await run(
    `UPDATE gantry_manifests SET nested = ? WHERE repository = ? AND digest = ? AND subject IS NULL`,
    nested ? 1 : 0,
    repository,
    digest,
  );
}

/** @returns false where the repository does not have it */
export async function removeManifest(run: Run, repository: string, digest: Digest): Promise<boolean> {
  const rows = await run(
    `DELETE FROM gantry_manifests WHERE repository = ? AND digest = ? RETURNING digest`,
    repository,
    digest,
  );
  return rows.length > 0;
}

export async function hasBlob(run: Run, repository: string, digest: Digest): Promise<boolean> {
  const rows = await run(`SELECT 1 FROM gantry_blobs WHERE repository = ? AND digest = ?`, repository, digest);
  return rows.length > 0;
}

export async function linkBlob(run: Run, repository: string, digest: Digest): Promise<void> {
  await run(
    `INSERT INTO gantry_blobs (repository, digest) VALUES (?, ?) ON CONFLICT (repository, digest) DO NOTHING`,
    repository,
    digest,
  );
}

/** @returns false where the repository does not have it */
export async function unlinkBlob(run: Run, repository: string, digest: Digest): Promise<boolean> {
  const rows = await run(
    `DELETE FROM gantry_blobs WHERE repository = ? AND digest = ? RETURNING digest`,
    repository,
    digest,
  );
  return rows.length > 0;
}

/** Whether any repository has it, as a blob or as a manifest. */
export async function isLinked(run: Run, digest: Digest): Promise<boolean> {
  const rows = await run(
    `SELECT 1 FROM gantry_blobs WHERE digest = ? UNION ALL SELECT 1 FROM gantry_manifests WHERE digest = ? LIMIT 1`,
    digest,
    digest,
  );
  return rows.length > 0;
}

/** Whether a repository has a manifest, a blob or a tag. */
export async function exists(run: Run, repository: string): Promise<boolean> {
  for (const table of ["gantry_manifests", "gantry_blobs", "gantry_tags"]) {
    if ((await run(`SELECT 1 FROM ${table} WHERE repository = ? LIMIT 1`, repository)).length > 0) return true;
  }
  return false;
}

/** The manifests that refer to a digest, in the order of their own digests. */
export async function* referrersOf(
  tables: RepositoryTables,
  repository: string,
  subject: Digest,
  {
    artifactType,
    after: first = "",
  }: { readonly artifactType?: string | undefined; readonly after?: string | undefined },
): AsyncGenerator<ManifestRow> {
  const filter = artifactType === undefined ? "" : "AND artifact_type = ?";
  for (let after = first; ; ) {
    const values = [repository, subject, after, ...(artifactType === undefined ? [] : [artifactType])];
    const sql = `SELECT ${MANIFEST} FROM gantry_manifests
      WHERE repository = ? AND subject = ? AND digest > ? ${filter} ORDER BY digest LIMIT ${PAGE}`;
    const rows = (await tables.read((run) => run(sql, ...values))).map(toManifest);
    yield* rows;
    if (rows.length < PAGE) return;
    after = rows.at(-1)!.descriptor.digest;
  }
}

/** The repositories that have manifests, in the order of their names. One look at the index for each. */
export async function* repositoriesOf(tables: RepositoryTables, after: string | undefined): AsyncGenerator<string> {
  let last = after;
  for (;;) {
    const where = last === undefined ? "" : "WHERE repository > ?";
    const sql = `SELECT repository FROM gantry_manifests ${where} ORDER BY repository LIMIT 1`;
    const [row] = await tables.read((run) => run(sql, ...(last === undefined ? [] : [last])));
    if (!row) return;
    last = String(row["repository"]);
    yield last;
  }
}

/** What keeps content though no name leads to it, and what refers to content, for a garbage collection. */
export async function keptByDigest(
  run: Run,
): Promise<readonly { readonly digest: Digest; readonly mediaType: string; readonly subject: Digest | undefined }[]> {
  const found = await run(
    `SELECT DISTINCT digest, media_type, subject FROM gantry_manifests
     WHERE subject IS NOT NULL OR (by_digest = 1 AND nested = 0)`,
  );
  return found.map((row) => ({
    digest: row["digest"] as Digest,
    mediaType: String(row["media_type"]),
    subject: row["subject"] === null ? undefined : (row["subject"] as Digest),
  }));
}

/** Forgets content whose bytes are gone. */
export async function forgetContent(run: Run, digests: readonly Digest[]): Promise<void> {
  for (const digest of digests) {
    await run(`DELETE FROM gantry_manifests WHERE digest = ?`, digest);
    await run(`DELETE FROM gantry_blobs WHERE digest = ?`, digest);
  }
}

/** What a tag of the repository names, with the manifest's media type and size. */
export async function tagged(run: Run, repository: string, tag: string): Promise<Descriptor | undefined> {
  const [row] = await run(
    `SELECT m.digest, m.media_type, m.size, m.subject, m.artifact_type, m.annotations FROM gantry_tags t
     JOIN gantry_manifests m ON m.repository = t.repository AND m.digest = t.digest
     WHERE t.repository = ? AND t.tag = ?`,
    repository,
    tag,
  );
  return row && toManifest(row).descriptor;
}

/** @param generation of the change that this belongs to */
export async function setTag(
  run: Run,
  repository: string,
  tag: string,
  digest: string,
  generation: number,
): Promise<void> {
  await run(
    `INSERT INTO gantry_tags (repository, tag, digest, generation) VALUES (?, ?, ?, ?)
     ON CONFLICT (repository, tag) DO UPDATE SET digest = excluded.digest, generation = excluded.generation`,
    repository,
    tag,
    digest,
    generation,
  );
}

/** @returns false where there is no such tag */
export async function removeTag(run: Run, repository: string, tag: string): Promise<boolean> {
  const rows = await run(`DELETE FROM gantry_tags WHERE repository = ? AND tag = ? RETURNING tag`, repository, tag);
  return rows.length > 0;
}

/** The tags of a repository after a name, in the order of their bytes. */
export async function* tagsOf(
  tables: RepositoryTables,
  repository: string,
  after: string | undefined,
): AsyncGenerator<string> {
  for (let last = after ?? ""; ; ) {
    const sql = `SELECT tag FROM gantry_tags WHERE repository = ? AND tag > ? ORDER BY tag LIMIT ${PAGE}`;
    const rows = await tables.read((run) => run(sql, repository, last));
    for (const row of rows) yield String(row["tag"]);
    if (rows.length < PAGE) return;
    last = String(rows.at(-1)!["tag"]);
  }
}

/** Counts a change up. @returns its number */
export async function nextGeneration(run: Run): Promise<number> {
  const [row] = await run(`UPDATE gantry_meta SET value = value + 1 WHERE key = 'generation' RETURNING value`);
  return Number(row!["value"]);
}

/** A number that is kept beside the tables; 0 where it was never set. */
export async function numberOf(run: Run, key: string): Promise<number> {
  const [row] = await run(`SELECT value FROM gantry_meta WHERE key = ?`, key);
  return Number(row?.["value"] ?? 0);
}

export async function setNumber(run: Run, key: string, value: number): Promise<void> {
  await run(
    `INSERT INTO gantry_meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value`,
    key,
    value,
  );
}

const MANIFEST = "digest, media_type, size, subject, artifact_type, annotations";

function toManifest(row: SqlRow): ManifestRow {
  const text = (key: string): string | undefined => (row[key] === null ? undefined : String(row[key]));
  const annotations = text("annotations");
  return {
    descriptor: { mediaType: text("media_type")!, digest: text("digest") as Digest, size: Number(row["size"]) },
    subject: text("subject") as Digest | undefined,
    artifactType: text("artifact_type"),
    annotations: annotations === undefined ? undefined : (JSON.parse(annotations) as Record<string, string>),
  };
}
