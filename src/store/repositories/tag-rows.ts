import type { Descriptor } from "../../spec/types.ts";
import type { Run } from "../sql/database.ts";
import { toDescriptor } from "./manifest-rows.ts";
import { PAGE, type RepositoryTables } from "./tables.ts";

/** The manifest that a tag of a repository names. */
export async function tagged(run: Run, repository: string, tag: string): Promise<Descriptor | undefined> {
  const [row] = await run(
    `SELECT m.digest, m.media_type, m.size FROM gantry_tags t
     JOIN gantry_manifests m ON m.repository = t.repository AND m.digest = t.digest
     WHERE t.repository = ? AND t.tag = ?`,
    repository,
    tag,
  );
  return row && toDescriptor(row);
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
