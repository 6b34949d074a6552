import { forEachParallel } from "../base/async.ts";
import { GantryError, isGantryError, withOrigin } from "../base/error.ts";
import type { Limits } from "../base/limits.ts";
import type { OperationOptions } from "../base/progress.ts";
import type { BlobSource, Provider } from "../content/source.ts";
import { type GraphOptions, isDocument, readDocument } from "../images/graph.ts";
import { walk } from "../images/handlers.ts";
import { formatFullPlatform } from "../images/platform.ts";
import { manifestForPlatform, type PlatformChoice, PlatformSelection } from "../images/select.ts";
import type { RepoName, Tag } from "../reference/reference.ts";
import { ImageReader } from "../registry/image-reader.ts";
import { DirectoryRegistry } from "../registry/layout/directory.ts";
import type { Registry } from "../registry/registry.ts";
import { type Digest, isDigest, shortDigest } from "../spec/digest.ts";
import { isForeignLayerType } from "../spec/media-types.ts";
import type { Descriptor, Platform } from "../spec/types.ts";

/** An image in a registry: what `open` makes of a location. */
export interface ImageLocation {
  readonly registry: Registry;
  readonly repo: RepoName;
  /** A tag, a digest, or nothing for a destination that is known by digest alone. */
  readonly reference?: Tag | Digest | undefined;
  /** The location as the user wrote it. */
  readonly name: string;
}

export interface CopyOptions extends OperationOptions {
  /** Which platforms of an index to copy. Default: all. */
  readonly platforms?: PlatformChoice | undefined;
  /** The platforms are what is preferred: an image that stands alone is copied whatever it is for. */
  readonly preferred?: boolean | undefined;
  /** Blobs on their way at once. Default: 3. */
  readonly parallel?: number | undefined;
  /**
   * What becomes of the rest of an index when only some platforms are copied: `index` copies the index itself and
   * leaves it partial; `manifest` copies the one chosen image alone, under its own digest.
   */
  readonly partial?: "index" | "manifest" | undefined;
  /** Called before the first name is set at the destination; where it throws, none is. */
  readonly beforeName?: (() => Promise<void>) | undefined;
  readonly limits?: Limits | undefined;
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
    const reader = new ImageReader(source.registry, source.repo);
    const { descriptor } = await reader.getManifest(wanted, call);
    const collected = await collect(source, reader, descriptor, options);
    const top = collected.documents.at(-1)!.descriptor;
    const named = destination.reference;
    if (named !== undefined && isDigest(named) && named !== top.digest) {
      throw new GantryError(
        "DIGEST_MISMATCH",
        `${source.name} is ${top.digest}, but the destination ${destination.name} names ${named}; nothing was sent`,
      );
    }
    return collected;
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
      // Told here; what is pushed replaces it.
      await isDamaged(destination.registry, descriptor, options);
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

/** A document as it is passed on: its bytes, whether or not anybody here knows its type. */
interface Passed {
  readonly descriptor: Descriptor;
  readonly bytes: Buffer;
}

interface Plan {
  /** Children before the documents that list them. */
  readonly documents: readonly Passed[];
  readonly blobs: ReadonlyMap<Digest, Descriptor>;
}

async function collect(
  source: ImageLocation,
  provider: ImageReader,
  root: Descriptor,
  options: CopyOptions,
): Promise<Plan> {
  const found = new Map<
    Digest,
    { readonly passed: Passed; readonly below: readonly Descriptor[]; readonly image: boolean }
  >();
  const blobs = new Map<Digest, Descriptor>();
  const choice = options.platforms ?? "all";
  const selection = new PlatformSelection(provider, choice, source.name);
  const graph = {
    signal: options.signal,
    limits: options.limits,
  };
  const visit = async (descriptor: Descriptor): Promise<readonly Descriptor[]> => {
    requireVerifiable(descriptor, source.name);
    // An index may list what we do not know: it is passed on as it is, and what it may lead to with it is not ours to say.
    if (!isDocument(descriptor)) {
      const { bytes } = await provider.getManifest(descriptor.digest, graph);
      found.set(descriptor.digest, { passed: { descriptor, bytes }, below: [], image: false });
      return [];
    }
    const read = await readDocument(provider, descriptor, graph);
    const { document } = read;
    const below = document.kind === "index" ? await selection.select(document.index, descriptor.digest, graph) : [];
    found.set(descriptor.digest, { passed: read, below, image: document.kind === "manifest" });
    if (document.kind === "manifest") {
      const { config, layers } = document.manifest;
      for (const blob of [config, ...layers.filter((layer) => !isForeignLayerType(layer.mediaType))]) {
        requireVerifiable(blob, source.name);
        blobs.set(blob.digest, blob);
      }
    }
    return below;
  };
  await walk(visit, root, graph);
  if (found.get(root.digest)?.image && choice !== "all" && !options.preferred) {
    await requirePlatform(provider, root, choice, source.name, graph);
  }
  // A registry may refuse a document whose children it has not seen, also where two parents share one.
  const documents = new Set<Passed>();
  const place = ({ digest }: Descriptor): void => {
    const node = found.get(digest);
    if (!node || documents.has(node.passed)) return;
    for (const child of node.below) place(child);
    documents.add(node.passed);
  };
  place(root);
  const alone = options.partial === "manifest" && choice !== "all";
  const wanted = [...documents].filter(({ descriptor }) => !alone || found.get(descriptor.digest)!.image);
  if (alone && wanted.length > 1) {
    throw new GantryError(
      "USAGE",
      `${source.name}: more than one platform was chosen, but the destination takes a single image`,
    );
  }
  return { documents: wanted, blobs };
}

/** What cannot be verified is not sent on. @throws UNSUPPORTED_ALGORITHM */
function requireVerifiable({ digest, platform }: Descriptor, what: string): void {
  if (isDigest(digest)) return;
  const shown = platform?.os ? `${digest} (${formatFullPlatform(platform)})` : digest;
  throw new GantryError(
    "UNSUPPORTED_ALGORITHM",
    `${what} lists ${shown}, and only sha256 and sha512 can be verified; nothing was sent. Choose what to copy with --platform`,
    { details: { digest } },
  );
}

/** An image that stands alone is for the platforms that its configuration says. @throws PLATFORM_NOT_FOUND */
async function requirePlatform(
  provider: Provider,
  root: Descriptor,
  platforms: readonly Platform[],
  what: string,
  graph: GraphOptions,
): Promise<void> {
  for (const platform of platforms) {
    await manifestForPlatform(provider, root, { ...graph, platform, what }).catch((error: unknown) => {
      // An artifact has no platform to be wrong about.
      if (!isGantryError(error, "NOT_AN_IMAGE")) throw error;
    });
  }
}

/** Whether a blob that a local destination has is not what its name says, which is told; another one is trusted. */
async function isDamaged(registry: Registry, blob: Descriptor, options: CopyOptions): Promise<boolean> {
  if (!(registry instanceof DirectoryRegistry)) return false;
  if ((await registry.blobs.verify(blob, options)) !== false) return false;
  const text = `the blob ${blob.digest} in ${registry.name} is damaged; it is brought anew`;
  options.progress?.({ type: "message", level: "warning", text });
  return true;
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
  if (there && !(await isDamaged(registry, blob, options))) return "exists";
  const mountFrom = source.registry.name === registry.name && source.repo !== repo ? source.repo : undefined;
  let opened = false;
  let done = 0;
  const onBytes = (count: number): void => {
    done += count;
    options.progress?.({ type: "advance", id: blob.digest, done });
  };
  const from: BlobSource = {
    replayable: true,
    open: async (open = {}) => {
      opened = true;
      const content = await withOrigin("source", () => source.registry.getBlob(source.repo, blob, open));
      done = content.start;
      return content.observe({ origin: "source", onBytes });
    },
  };
  try {
    await withOrigin("destination", () => registry.pushBlob(repo, blob, from, { ...call, mountFrom }));
  } catch (error) {
    // A layer that may also be fetched from elsewhere need not be at the source.
    if (!blob.urls?.length || !isGantryError(error, "BLOB_UNKNOWN") || error.origin !== "source") throw error;
    return "exists";
  }
  return mountFrom !== undefined && !opened ? "mounted" : "done";
}
