import { GantryError, isGantryError } from "../base/error.ts";
import type { Limits } from "../base/limits.ts";
import { type GraphOptions, isDocument, readDocument } from "../images/graph.ts";
import { walk } from "../images/handlers.ts";
import { formatFullPlatform } from "../images/platform.ts";
import { manifestForPlatform, type PlatformChoice, PlatformSelection } from "../images/select.ts";
import type { RepoName, Tag } from "../reference/reference.ts";
import { ImageReader } from "../registry/image-reader.ts";
import type { RegistryReader } from "../registry/registry.ts";
import { type Digest, isDigest } from "../spec/digest.ts";
import { isForeignLayerType } from "../spec/media-types.ts";
import type { Descriptor, Manifest, Platform } from "../spec/types.ts";

/** An image to copy, in an opened registry. */
export interface ImageSource {
  readonly registry: RegistryReader;
  readonly repo: RepoName;
  readonly reference: Tag | Digest;
  /** Names the image in errors: the location as the user wrote it. */
  readonly name: string;
}

export interface PlanOptions {
  /** The platforms of an index to copy. Default: all. */
  readonly platforms?: PlatformChoice | undefined;
  /** The platforms are only preferred: an image that is not in an index is copied whatever its platform is. */
  readonly preferred?: boolean | undefined;
  /**
   * How an index is copied when only some of its platforms are chosen. `index` copies the index itself, which is then
   * partial; `manifest` copies the one chosen image alone, under its own digest.
   */
  readonly partial?: "index" | "manifest" | undefined;
  readonly limits?: Limits | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A manifest or an index, byte for byte, whether or not its type is known. */
export interface PlannedDocument {
  readonly descriptor: Descriptor;
  readonly bytes: Buffer;
}

/** The documents and blobs that a copy pushes. */
export interface CopyPlan {
  /** Children before the documents that list them; the top document is last. */
  readonly documents: readonly PlannedDocument[];
  /** Each blob once, the largest first: the longest transfer decides when the copy is done. */
  readonly blobs: readonly Descriptor[];
}

interface Node {
  readonly document: PlannedDocument;
  readonly children: readonly Descriptor[];
  readonly isImage: boolean;
}

/** Reads the documents of an image and finds what to copy. Nothing is written. @throws PLATFORM_NOT_FOUND, UNSUPPORTED_ALGORITHM */
export async function planCopy(source: ImageSource, options: PlanOptions): Promise<CopyPlan> {
  const { name } = source;
  const { signal, limits, platforms = "all" } = options;
  const graph = { signal, limits };
  const reader = new ImageReader(source.registry, source.repo);
  const { descriptor: root } = await reader.getManifest(source.reference, { signal });
  const nodes = new Map<Digest, Node>();
  const blobs = new Map<Digest, Descriptor>();
  const selection = new PlatformSelection(reader, platforms, name);
  const visit = async (descriptor: Descriptor): Promise<readonly Descriptor[]> => {
    requireVerifiable(descriptor, name);
    if (!isDocument(descriptor)) {
      // An index may list entries of unknown types. They are copied byte for byte, without content that they refer to.
      const { bytes } = await reader.getManifest(descriptor.digest, graph);
      nodes.set(descriptor.digest, { document: { descriptor, bytes }, children: [], isImage: false });
      return [];
    }
    const read = await readDocument(reader, descriptor, graph);
    const { document } = read;
    const isImage = document.kind === "manifest";
    const children = isImage ? [] : await selection.select(document.index, descriptor.digest, graph);
    nodes.set(descriptor.digest, { document: read, children, isImage });
    for (const blob of isImage ? blobsOf(document.manifest) : []) {
      requireVerifiable(blob, name);
      blobs.set(blob.digest, blob);
    }
    return children;
  };
  await walk(visit, root, graph);
  if (nodes.get(root.digest)?.isImage && platforms !== "all" && !options.preferred) {
    await requirePlatforms(reader, root, platforms, { ...graph, what: name });
  }
  const alone = options.partial === "manifest" && platforms !== "all";
  const documents = childrenFirst(nodes, root).filter((node) => !alone || node.isImage);
  if (alone && documents.length > 1) {
    throw new GantryError(
      "USAGE",
      `${name}: more than one platform was chosen, but the destination takes a single image; choose one with --platform`,
    );
  }
  return {
    documents: documents.map(({ document }) => document),
    blobs: [...blobs.values()].sort((a, b) => b.size - a.size),
  };
}

function blobsOf({ config, layers }: Manifest): readonly Descriptor[] {
  return [config, ...layers.filter((layer) => !isForeignLayerType(layer.mediaType))];
}

/** Children before their parents, since a registry may refuse a document whose children are missing. */
function childrenFirst(nodes: ReadonlyMap<Digest, Node>, root: Descriptor): readonly Node[] {
  const ordered = new Set<Node>();
  const place = ({ digest }: Descriptor): void => {
    const node = nodes.get(digest);
    if (!node || ordered.has(node)) return;
    for (const child of node.children) place(child);
    ordered.add(node);
  };
  place(root);
  return [...ordered];
}

/** Content that cannot be verified is not copied. @throws UNSUPPORTED_ALGORITHM */
function requireVerifiable({ digest, platform }: Descriptor, what: string): void {
  if (isDigest(digest)) return;
  const shown = platform?.os ? `${digest} (${formatFullPlatform(platform)})` : digest;
  throw new GantryError(
    "UNSUPPORTED_ALGORITHM",
    `${what} lists ${shown}, and only sha256 and sha512 can be verified; nothing was sent. Choose what to copy with --platform`,
    { details: { digest } },
  );
}

/** The platform of an image that is not in an index is the one of its configuration. @throws PLATFORM_NOT_FOUND */
async function requirePlatforms(
  reader: ImageReader,
  root: Descriptor,
  platforms: readonly Platform[],
  options: GraphOptions & { readonly what: string },
): Promise<void> {
  for (const platform of platforms) {
    await manifestForPlatform(reader, root, { ...options, platform }).catch((error: unknown) => {
      // An artifact has no platform.
      if (!isGantryError(error, "NOT_AN_IMAGE")) throw error;
    });
  }
}
