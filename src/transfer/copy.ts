import { forEachParallel } from "../base/async.ts";
import { GantryError, isGantryError, withOrigin } from "../base/error.ts";
import type { Limits } from "../base/limits.ts";
import type { OperationOptions } from "../base/progress.ts";
import type { BlobSource } from "../content/source.ts";
import { childrenOf, isDocument, type ReadDocument, readDocument } from "../images/graph.ts";
import { walk } from "../images/handlers.ts";
import { type PlatformChoice, selectManifests } from "../images/select.ts";
import type { RepoName, Tag } from "../reference/reference.ts";
import { providerOf, type Registry } from "../registry/registry.ts";
import { type Digest, isDigest, shortDigest } from "../spec/digest.ts";
import type { Descriptor } from "../spec/types.ts";

/** An image in a registry: what `open` makes of a location. */
export interface ImageLocation {
  readonly registry: Registry;
  readonly repo: RepoName;
  /** A tag, a digest, or nothing for a destination that is known by digest alone. */
  readonly reference?: Tag | Digest;
  /** The location as the user wrote it. */
  readonly name: string;
}

export interface CopyOptions extends OperationOptions {
  /** Which platforms of an index to copy. Default: all. */
  readonly platforms?: PlatformChoice;
  /** Blobs on their way at once. Default: 3. */
  readonly parallel?: number;
  /**
   * What becomes of the rest of an index when only some platforms are copied: `index` copies the index itself and
   * leaves it partial; `manifest` copies the one chosen image alone, under its own digest.
   */
  readonly partial?: "index" | "manifest";
  /** Called before the first name is set at the destination; where it throws, none is. */
  readonly beforeName?: () => Promise<void>;
  readonly limits?: Limits;
}

export interface CopyResult {
  /** What the destination's reference now names. */
  readonly descriptor: Descriptor;
  /** Manifests and indexes that are at the destination now, the top one last. */
  readonly documents: readonly Descriptor[];
  readonly blobs: { readonly moved: number; readonly mounted: number; readonly existing: number };
  /** Bytes of blobs that were moved. */
  readonly bytes: number;
}

/**
 * Copies an image, byte for byte: blobs first, then manifests from the leaves up, the name last. What the destination
 * has is not sent; within one registry blobs are mounted. Errors carry the side they came from.
 */
export async function copyImage(
  source: ImageLocation,
  destination: ImageLocation,
  options: CopyOptions = {},
): Promise<CopyResult> {
  const { signal } = options;
  const call = signal ? { signal } : {};
  if (source.reference === undefined) throw new GantryError("USAGE", `${source.name}: name a tag or a digest`);
  const wanted = source.reference;
  const plan = await withOrigin("source", async () => {
    const { descriptor } = await source.registry.getManifest(source.repo, wanted, call);
    return collect(source, descriptor, options);
  });
  const counts = { moved: 0, mounted: 0, existing: 0 };
  let bytes = 0;
  // Largest first: the longest download decides when all are done.
  const blobs = [...plan.blobs.values()].sort((a, b) => b.size - a.size);
  for (const blob of blobs)
    options.progress?.({ type: "start", id: blob.digest, label: shortDigest(blob.digest), total: blob.size });
  await forEachParallel(
    blobs,
    options.parallel ?? 3,
    async (blob, linked) => {
      const result = await copyBlob(source, destination, blob, { ...options, signal: linked });
      counts[result === "done" ? "moved" : result === "mounted" ? "mounted" : "existing"] += 1;
      if (result === "done") bytes += blob.size;
      options.progress?.({ type: "end", id: blob.digest, result });
    },
    signal,
  );
  const { documents } = plan;
  await withOrigin("destination", async () => {
    for (const [at, { descriptor, bytes: document }] of documents.entries()) {
      const top = at === documents.length - 1;
      if (top) await options.beforeName?.();
      const { reference } = destination;
      const tags = top && reference !== undefined && !isDigest(reference) ? [reference as Tag] : [];
      await destination.registry.pushManifest(destination.repo, document, descriptor.mediaType, {
        tags,
        digest: descriptor.digest,
        ...call,
      });
    }
  });
  const { descriptor } = documents.at(-1)!;
  return { descriptor, documents: documents.map((read) => read.descriptor), blobs: counts, bytes };
}

interface Plan {
  /** Children before the documents that list them. */
  readonly documents: readonly ReadDocument[];
  readonly blobs: ReadonlyMap<Digest, Descriptor>;
}

async function collect(source: ImageLocation, root: Descriptor, options: CopyOptions): Promise<Plan> {
  const found = new Map<Digest, { readonly read: ReadDocument; readonly below: readonly Descriptor[] }>();
  const blobs = new Map<Digest, Descriptor>();
  const choice = options.platforms ?? "all";
  const provider = providerOf(source.registry, source.repo);
  const graph = {
    ...(options.signal && { signal: options.signal }),
    ...(options.limits && { limits: options.limits }),
  };
  const visit = async (descriptor: Descriptor): Promise<readonly Descriptor[]> => {
    if (!isDocument(descriptor)) return [];
    const read = await readDocument(provider, descriptor, graph);
    const { document } = read;
    const below = document.kind === "index" ? selectManifests(document.index, choice, source.name) : [];
    found.set(descriptor.digest, { read, below });
    if (document.kind === "manifest") {
      for (const blob of childrenOf(document)) if (!blob.urls?.length) blobs.set(blob.digest, blob);
    }
    return below.filter(isDocument);
  };
  await walk(visit, root, graph);
  // A registry may refuse a document whose children it has not seen, also where two parents share one.
  const documents = new Set<ReadDocument>();
  const place = ({ digest }: Descriptor): void => {
    const node = found.get(digest);
    if (!node || documents.has(node.read)) return;
    for (const child of node.below) place(child);
    documents.add(node.read);
  };
  place(root);
  const alone = options.partial === "manifest" && choice !== "all";
  const wanted = [...documents].filter(({ document }) => !alone || document.kind === "manifest");
  if (alone && wanted.length > 1) {
    throw new GantryError(
      "USAGE",
      `${source.name}: more than one platform was chosen, but the destination takes a single image`,
    );
  }
  return { documents: wanted, blobs };
}

async function copyBlob(
  source: ImageLocation,
  destination: ImageLocation,
  blob: Descriptor,
  options: CopyOptions,
): Promise<"done" | "exists" | "mounted"> {
  const call = options.signal ? { signal: options.signal } : {};
  const { registry, repo } = destination;
  const there = await withOrigin("destination", () =>
    registry.resolveBlob(repo, blob.digest, call).then(
      ({ size }) => size === blob.size,
      (error: unknown) => {
        if (isGantryError(error, "BLOB_UNKNOWN", "NAME_UNKNOWN")) return false;
        throw error;
      },
    ),
  );
  if (there) return "exists";
  if (source.registry.name === registry.name && source.repo !== repo) {
    try {
      await withOrigin("destination", () => registry.mountBlob(source.repo, repo, blob.digest, call));
      return "mounted";
    } catch (error) {
      if (!isGantryError(error, "BLOB_UNKNOWN", "NAME_UNKNOWN", "UNSUPPORTED", "DENIED")) throw error;
    }
  }
  let done = 0;
  const onBytes = (count: number): void => {
    done += count;
    options.progress?.({ type: "advance", id: blob.digest, done });
  };
  const from: BlobSource = {
    replayable: true,
    open: async (open = {}) => {
      done = 0;
      const content = await withOrigin("source", () => source.registry.getBlob(source.repo, blob, open));
      return content.observe({ origin: "source", onBytes });
    },
  };
  await withOrigin("destination", () => registry.pushBlob(repo, blob, from, call));
  return "done";
}
