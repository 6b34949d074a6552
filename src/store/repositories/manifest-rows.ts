import type { Digest } from "../../spec/digest.ts";
import type { Descriptor } from "../../spec/types.ts";
import type { Run, SqlRow } from "../sql/database.ts";
import { PAGE, type RepositoryTables } from "./tables.ts";

/** A manifest or index that a repository has. */
export interface ManifestRow {
  readonly descriptor: Descriptor;
  readonly subject?: Digest | undefined;
  readonly artifactType?: string | undefined;
  readonly annotations?: Readonly<Record<string, string>> | undefined;
  /** It was pushed by its digest, without a tag, so it is kept even if no name leads to it. */
  readonly byDigest?: boolean | undefined;
}

const MANIFEST = "digest, media_type, size, subject, artifact_type, annotations";

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

/** Records whether an index of the repository lists a manifest, which then needs no entry of its own in index.json. */
export async function setNested(run: Run, repository: string, digest: string, nested: boolean): Promise<void> {
  // A referrer always has an entry: tools find the referrers of a layout among its entries.
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

/** The manifests that refer to a digest, in the order of their own digests. */
export async function* referrersOf(
  tables: RepositoryTables,
  repository: string,
  subject: Digest,
  options: { readonly artifactType?: string | undefined; readonly after?: string | undefined },
): AsyncGenerator<ManifestRow> {
  const { artifactType, after: first = "" } = options;
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

/** The repositories that have manifests, in the order of their names. Each costs one look-up in a database index. */
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

function toManifest(row: SqlRow): ManifestRow {
  const text = (key: string): string | undefined => (row[key] === null ? undefined : String(row[key]));
  const annotations = text("annotations");
  return {
    descriptor: toDescriptor(row),
    subject: text("subject") as Digest | undefined,
    artifactType: text("artifact_type"),
    annotations: annotations === undefined ? undefined : (JSON.parse(annotations) as Record<string, string>),
  };
}

export function toDescriptor(row: SqlRow): Descriptor {
  return { mediaType: String(row["media_type"]), digest: row["digest"] as Digest, size: Number(row["size"]) };
}
