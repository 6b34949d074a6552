import type { Limits } from "../base/limits.ts";
import type { BlobDirectory } from "../content/blob-directory.ts";
import { isDocument } from "../images/graph.ts";
import { type Digest, isDigest } from "../spec/digest.ts";
import { summarizeManifest } from "../spec/summary.ts";
import { readBytes } from "./presence.ts";

/**
 * The manifests and indexes among these blobs that neither a name nor another manifest leads to. Where names were lost,
 * these were their targets.
 */
export function unnamedManifests(
  blobs: BlobDirectory,
  digests: ReadonlySet<string>,
  named: ReadonlySet<string>,
  limits: Limits,
): Digest[] {
  const found: Digest[] = [];
  const reachable = new Set<string>(named);
  for (const digest of digests) {
    const bytes = isDigest(digest) ? readBytes(blobs, digest, limits) : undefined;
    if (bytes?.[0] !== 0x7b) continue;
    const { mediaType, children } = summarizeManifest(bytes);
    if (mediaType === undefined || !isDocument({ mediaType })) continue;
    found.push(digest as Digest);
    for (const child of children) reachable.add(child.digest);
  }
  return found.filter((digest) => !reachable.has(digest)).sort();
}
