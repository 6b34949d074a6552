import { parseRepoName, parseTag } from "../../reference/reference.ts";
import { entryNameOf, entryOf } from "../../registry/layout/entries.ts";
import { isDigest } from "../../spec/digest.ts";
import type { Descriptor } from "../../spec/types.ts";
import type { Run } from "../sql/database.ts";
import { toDescriptor } from "./manifest-rows.ts";

/** The key of a layout's default repository. Its name is that of the directory, which may be renamed. */
export const DEFAULT_KEY = "";

/**
 * The entries of index.json: every tag, and every manifest that no tag names and no index of its repository lists.
 * Existing entries stay unchanged. Entries that the tables cannot hold stay too.
 */
export async function entriesOf(run: Run, old: readonly Descriptor[]): Promise<Descriptor[]> {
  const found = await run(
    `SELECT m.repository, t.tag, m.digest, m.media_type, m.size FROM gantry_manifests m
     LEFT JOIN gantry_tags t ON t.repository = m.repository AND t.digest = m.digest
     WHERE t.tag IS NOT NULL OR m.nested = 0 ORDER BY m.repository, t.tag, m.digest`,
  );
  const keyOf = (repository: string, tag: string | undefined, digest: string): string =>
    `${repository} ${tag ?? ""} ${digest}`;
  const existing = new Map<string, Descriptor>();
  const others: Descriptor[] = [];
  for (const entry of old) {
    const place = entryNameOf(entry);
    if (!place || !isDigest(entry.digest)) others.push(entry);
    else existing.set(keyOf(place.repo ?? DEFAULT_KEY, place.tag, entry.digest), entry);
  }
  const entries = found.map((row) => {
    const repository = String(row["repository"]);
    const tag = row["tag"] === null ? undefined : parseTag(String(row["tag"]));
    const descriptor = toDescriptor(row);
    const same = existing.get(keyOf(repository, tag, descriptor.digest));
    if (same) return same;
    const repo = repository === DEFAULT_KEY ? undefined : parseRepoName(repository);
    return entryOf(descriptor, { repo, tag });
  });
  return [...entries, ...others];
}
