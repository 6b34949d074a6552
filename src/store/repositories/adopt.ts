import { isGantryError } from "../../base/error.ts";
import { checkLimit, type Limits } from "../../base/limits.ts";
import type { BlobDirectory } from "../../content/blob-directory.ts";
import { type Digest, isDigest } from "../../spec/digest.ts";
import { summarizeManifest } from "../../spec/summary.ts";
import type { Descriptor } from "../../spec/types.ts";
import { linkBlob } from "./blob-rows.ts";
import { type ManifestRow, manifestOf, putManifest, setNested } from "./manifest-rows.ts";
import type { RepositoryTables } from "./tables.ts";

interface Adopting {
  readonly blobs: BlobDirectory;
  readonly limits: Limits;
  readonly tables: RepositoryTables;
}

interface Found {
  readonly manifests: readonly ManifestRow[];
  /** Manifests that an index lists. */
  readonly nested: readonly string[];
  readonly blobs: readonly Digest[];
}

/**
 * Puts an existing manifest, which a pull or another tool wrote, into a repository, with those of its blobs and
 * manifests that exist. Manifests that the repository has are not read again.
 */
export async function adoptManifest(into: Adopting, repository: string, root: Descriptor): Promise<void> {
  const { manifests, nested, blobs } = await follow(into, repository, root);
  if (manifests.length === 0) return;
  await into.tables.change(async (run) => {
    for (const digest of blobs) await linkBlob(run, repository, digest);
    for (const manifest of manifests) await putManifest(run, repository, manifest);
    for (const digest of nested) await setNested(run, repository, digest, true);
  });
}

async function follow({ blobs, limits, tables }: Adopting, repository: string, root: Descriptor): Promise<Found> {
  const manifests: ManifestRow[] = [];
  const nested: string[] = [];
  const found = new Set<Digest>();
  const seen = new Set<string>();
  const pending: { readonly digest: string; readonly mediaType?: string | undefined }[] = [root];
  for (let next = pending.pop(); next; next = pending.pop()) {
    const { digest, mediaType } = next;
    if (seen.has(digest) || !isDigest(digest)) continue;
    seen.add(digest);
    checkLimit(limits, "graphNodes", seen.size, `the number of documents that ${root.digest} leads to`);
    if (await tables.read((run) => manifestOf(run, repository, digest))) continue;
    const bytes = await documentOf(blobs, digest, limits);
    if (!bytes) {
      // A client that asks for a damaged manifest must get an error about the damage, not MANIFEST_UNKNOWN.
      if (next === root && (await blobs.size(digest)) !== undefined) manifests.push({ descriptor: root });
      continue;
    }
    const { children, subject, artifactType, annotations, mediaType: own } = summarizeManifest(bytes);
    const type = mediaType ?? own;
    if (type === undefined) continue;
    const descriptor = { mediaType: type, digest, size: bytes.length };
    manifests.push({ descriptor, subject, artifactType, annotations });
    for (const child of children) {
      if (child.kind === "manifest") {
        nested.push(child.digest);
        pending.push({ digest: child.digest });
      } else if (isDigest(child.digest) && (await blobs.has({ digest: child.digest }))) {
        // Only existing blobs: a link to a missing one would expose the bytes that another repository receives later.
        found.add(child.digest);
      }
    }
  }
  return { manifests, nested, blobs: [...found] };
}

/** The bytes of a document; undefined where it is missing, damaged or too large. */
async function documentOf(blobs: BlobDirectory, digest: Digest, limits: Limits): Promise<Buffer | undefined> {
  try {
    return await (await blobs.read({ digest })).bytes({ limit: limits.metadataBytes });
  } catch (error) {
    if (isGantryError(error, "BLOB_UNKNOWN", "DIGEST_MISMATCH", "SIZE_MISMATCH", "LIMIT_EXCEEDED", "NOT_REGULAR_FILE"))
      return undefined;
    throw error;
  }
}
