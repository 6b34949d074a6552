import type { Digest } from "../../spec/digest.ts";
import type { Run } from "../sql/database.ts";

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
