import { forEachParallel } from "../base/async.ts";
import { GantryError, withOrigin } from "../base/error.ts";
import type { OperationOptions } from "../base/progress.ts";
import type { Tag } from "../reference/reference.ts";
import { isDigest, shortDigest } from "../spec/digest.ts";
import type { Descriptor } from "../spec/types.ts";
import { copyBlob } from "./copy-blob.ts";
import { type ImageDestination, warnIfDamaged } from "./destination.ts";
import { type CopyPlan, type ImageSource, type PlannedDocument, type PlanOptions, planCopy } from "./plan.ts";

export interface CopyOptions extends PlanOptions, OperationOptions {
  /** How many blobs are copied at the same time. Default: 3. */
  readonly parallel?: number | undefined;
}

export interface CopyResult {
  /** The image that the destination's reference now names. */
  readonly descriptor: Descriptor;
  /** The manifests and indexes that the destination now has, the top one last. */
  readonly documents: readonly Descriptor[];
  readonly blobs: BlobCounts;
  /** Bytes of the blobs that were moved. */
  readonly bytes: number;
}

export interface BlobCounts {
  readonly moved: number;
  readonly mounted: number;
  readonly existing: number;
}

/**
 * Copies an image, byte for byte: blobs first, then manifests from the leaves up, the tag last. Blobs that the
 * destination already has are skipped; within one registry, blobs are mounted. `origin` of an error names its side.
 */
export async function copyImage(
  source: ImageSource,
  destination: ImageDestination,
  options: CopyOptions = {},
): Promise<CopyResult> {
  const plan = await withOrigin("source", async () => {
    const found = await planCopy(source, options);
    requireNamed(found, source, destination);
    return found;
  });
  const moved = await copyBlobs(plan.blobs, source, destination, options);
  await withOrigin("destination", () => pushDocuments(plan.documents, destination, options));
  const documents = plan.documents.map(({ descriptor }) => descriptor);
  return { descriptor: documents.at(-1)!, documents, ...moved };
}

/** @throws DIGEST_MISMATCH where the destination names another digest than the image has */
function requireNamed({ documents }: CopyPlan, source: ImageSource, { name, reference }: ImageDestination): void {
  const { digest } = documents.at(-1)!.descriptor;
  if (reference === undefined || !isDigest(reference) || reference === digest) return;
  throw new GantryError(
    "DIGEST_MISMATCH",
    `${source.name} is ${digest}, but the destination ${name} names ${reference}; nothing was sent`,
  );
}

async function copyBlobs(
  blobs: readonly Descriptor[],
  source: ImageSource,
  destination: ImageDestination,
  { progress, signal, parallel = 3 }: CopyOptions,
): Promise<Pick<CopyResult, "blobs" | "bytes">> {
  const counts = { moved: 0, mounted: 0, existing: 0 };
  let bytes = 0;
  for (const { digest, size } of blobs)
    progress?.({ type: "start", id: digest, label: shortDigest(digest), total: size });
  await forEachParallel(
    blobs,
    parallel,
    async (blob, linked) => {
      const result = await copyBlob(source, destination, blob, { progress, signal: linked });
      counts[result === "done" ? "moved" : result === "mounted" ? "mounted" : "existing"] += 1;
      if (result === "done") bytes += blob.size;
      progress?.({ type: "end", id: blob.digest, result });
    },
    signal,
  );
  return { blobs: counts, bytes };
}

/** Pushes the documents in their order. The last one gets the tag. */
async function pushDocuments(
  documents: readonly PlannedDocument[],
  destination: ImageDestination,
  options: CopyOptions,
): Promise<void> {
  const { registry, repo, reference } = destination;
  const { signal } = options;
  for (const [at, { descriptor, bytes }] of documents.entries()) {
    const top = at === documents.length - 1;
    const tags = top && reference !== undefined && !isDigest(reference) ? [reference as Tag] : [];
    // This only warns: the push replaces a damaged document.
    await warnIfDamaged(destination, descriptor, options);
    await registry.pushManifest(repo, bytes, descriptor.mediaType, { tags, digest: descriptor.digest, signal });
  }
}
