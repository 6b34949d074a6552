import { checkLimit, type Limits } from "../../base/limits.ts";
import type { BlobDirectory } from "../../content/blob-directory.ts";
import { isDigest } from "../../spec/digest.ts";
import { type ManifestSummary, summarizeManifest } from "../../spec/summary.ts";

type Children = ManifestSummary["children"];

/** The digests of children that are missing in a directory, except for foreign layers, which may be elsewhere. */
export async function missingIn(blobs: BlobDirectory, children: Children): Promise<readonly string[]> {
  const missing: string[] = [];
  for (const { digest, foreign } of children) {
    if (!foreign && !(isDigest(digest) && (await blobs.has({ digest })))) missing.push(digest);
  }
  return missing;
}

/** The manifests of an index that need no entry of their own. A referrer needs one, since referrers are found by it. */
export async function nestedIn(blobs: BlobDirectory, children: Children): Promise<ReadonlySet<string>> {
  const nested = new Set<string>();
  for (const { digest, kind } of children) {
    if (kind !== "manifest" || !isDigest(digest) || !(await blobs.has({ digest }))) continue;
    const bytes = await (await blobs.read({ digest })).bytes();
    if (summarizeManifest(bytes).subject === undefined) nested.add(digest);
  }
  return nested;
}

/**
 * The digests of all manifests that `roots` lead to, themselves included.
 * @param name of the layout, for messages
 * @throws LIMIT_EXCEEDED
 */
export async function reachableFrom(
  roots: readonly string[],
  blobs: BlobDirectory,
  name: string,
  limits: Limits,
): Promise<ReadonlySet<string>> {
  const seen = new Set<string>();
  const pending = [...roots];
  for (let digest = pending.pop(); digest !== undefined; digest = pending.pop()) {
    if (seen.has(digest) || !isDigest(digest)) continue;
    seen.add(digest);
    checkLimit(limits, "graphNodes", seen.size, `${name}: the number of documents`);
    const size = await blobs.size(digest);
    if (size === undefined || size > limits.metadataBytes) continue;
    const { children } = summarizeManifest(await (await blobs.read({ digest, size })).bytes());
    for (const child of children) if (child.kind === "manifest") pending.push(child.digest);
  }
  return seen;
}
