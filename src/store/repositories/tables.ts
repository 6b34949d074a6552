import type { Digest } from "../../spec/digest.ts";
import { type Run, type SqlDatabase, transaction, withSession } from "../sql/database.ts";

/** Rows of a listing that one statement reads. */
export const PAGE = 500;

/** This number must never change: hosts with different versions of gantry may share a database. */
const CHANGE_LOCK = 7263542;

/**
 * What belongs to which repository: manifests with what they refer to, blobs, and tags. Each statement uses an index,
 * so its cost does not grow with the number of names.
 */
export class RepositoryTables {
  readonly #database: () => Promise<SqlDatabase>;

  constructor(database: () => Promise<SqlDatabase>) {
    this.#database = database;
  }

  /** Runs statements, each as a transaction of its own. */
  async read<T>(work: (run: Run) => Promise<T>): Promise<T> {
    return withSession(await this.#database(), work);
  }

  /** Runs statements as one transaction. Changes of repositories run one after another. */
  async change<T>(work: (run: Run) => Promise<T>): Promise<T> {
    return transaction(await this.#database(), work, CHANGE_LOCK);
  }
}

/** Whether any repository has a digest, as a blob or as a manifest. */
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

/** A manifest that a collection may have to keep without a name. */
export interface PushedManifest {
  readonly digest: Digest;
  readonly mediaType: string;
  /** The manifest stays for as long as its subject does. */
  readonly subject: Digest | undefined;
}

/** The manifests that were pushed by their digest alone, and all referrers. */
export async function pushedManifests(run: Run): Promise<readonly PushedManifest[]> {
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

/** Removes the rows of content whose bytes were removed. */
export async function forgetContent(run: Run, digests: readonly Digest[]): Promise<void> {
  for (const digest of digests) {
    await run(`DELETE FROM gantry_manifests WHERE digest = ?`, digest);
    await run(`DELETE FROM gantry_blobs WHERE digest = ?`, digest);
  }
}
