import { GantryError } from "../base/error.ts";
import { checkLimit, defaultLimits, type Limits } from "../base/limits.ts";
import { requireDigest, requireSize } from "../content/content.ts";
import type { Provider } from "../content/source.ts";
import { type Document, decodeDocument, decodeImage } from "../spec/decode.ts";
import { algorithmOf, digestOf } from "../spec/digest.ts";
import { isIndexType, isManifestType, isSchema1Type } from "../spec/media-types.ts";
import type { Descriptor, Image, Manifest } from "../spec/types.ts";

export interface GraphOptions {
  readonly signal?: AbortSignal;
  readonly limits?: Limits;
}

/** A document of an image graph: what it says, what it is, and its bytes, which are what is passed on. */
export interface ReadDocument {
  readonly descriptor: Descriptor;
  readonly bytes: Buffer;
  readonly document: Document;
}

/** True for descriptors whose content has children of its own. */
export function isDocument(descriptor: Descriptor): boolean {
  const { mediaType } = descriptor;
  return isIndexType(mediaType) || isManifestType(mediaType) || isSchema1Type(mediaType);
}

/** The children of a document in the order of the specification: manifests; or config, then layers. */
export function childrenOf(document: Document): readonly Descriptor[] {
  return document.kind === "index" ? document.index.manifests : [document.manifest.config, ...document.manifest.layers];
}

/** Reads and decodes a manifest or an index. Its bytes must be those of the descriptor. */
export async function readDocument(
  provider: Provider,
  descriptor: Descriptor,
  options: GraphOptions = {},
): Promise<ReadDocument> {
  const limits = options.limits ?? defaultLimits;
  const what = `manifest ${descriptor.digest}`;
  checkLimit(limits, "metadataBytes", descriptor.size, `${what} of ${descriptor.size} bytes`);
  const bytes = await readBytes(provider, descriptor, options);
  return { descriptor, bytes, document: decodeDocument(bytes, descriptor.mediaType, what, limits) };
}

/** A small blob or document, whole and verified, whatever the provider did about it. */
async function readBytes(provider: Provider, descriptor: Descriptor, options: GraphOptions): Promise<Buffer> {
  const what = `${descriptor.mediaType} ${descriptor.digest}`;
  await using content = await provider.read(descriptor, options);
  const bytes = await content.bytes({
    ...(options.signal && { signal: options.signal }),
    limit: (options.limits ?? defaultLimits).metadataBytes,
  });
  requireSize(bytes.length, descriptor.size, what);
  requireDigest(digestOf(bytes, algorithmOf(descriptor.digest)), descriptor.digest, what);
  return bytes;
}

/**
 * The image configuration of a manifest, checked against it: as many diffIDs as layers.
 * @throws NOT_AN_IMAGE for artifacts, INVALID_DOCUMENT
 */
export async function readConfig(
  provider: Provider,
  manifest: Manifest,
  options: GraphOptions = {},
): Promise<Image> {
  const { config, layers } = manifest;
  const limits = options.limits ?? defaultLimits;
  checkLimit(limits, "metadataBytes", config.size, `config ${config.digest} of ${config.size} bytes`);
  const bytes = await readBytes(provider, config, options);
  const what = `config ${config.digest}`;
  const decoded = decodeImage(bytes, what, limits);
  const { diff_ids } = decoded.rootfs;
  if (diff_ids.length !== layers.length) {
    throw new GantryError(
      "INVALID_DOCUMENT",
      `${what}: rootfs.diff_ids lists ${diff_ids.length} layers, but the manifest has ${layers.length}`,
      { details: { path: "rootfs.diff_ids" } },
    );
  }
  return decoded;
}

/** Decides what to do below a document: its children, or only some of them. */
export type SelectChildren = (
  parent: ReadDocument,
  depth: number,
) => Promise<readonly Descriptor[]> | readonly Descriptor[];

/**
 * Every document from `root` down, parents first, each digest once, within the budgets for nodes and depth.
 * @param select which children to go into; all by default
 */
export async function* walkDocuments(
  provider: Provider,
  root: Descriptor,
  options: GraphOptions & { readonly select?: SelectChildren } = {},
): AsyncGenerator<ReadDocument> {
  const limits = options.limits ?? defaultLimits;
  const seen = new Set<string>();
  const pending: { descriptor: Descriptor; depth: number }[] = [{ descriptor: root, depth: 1 }];
  for (let next = pending.shift(); next; next = pending.shift()) {
    const { descriptor, depth } = next;
    if (seen.has(descriptor.digest)) continue;
    seen.add(descriptor.digest);
    checkLimit(limits, "graphDepth", depth, `image ${root.digest}: the depth of nested indexes`);
    checkLimit(limits, "graphNodes", seen.size, `image ${root.digest}: the number of documents`);
    const read = await readDocument(provider, descriptor, options);
    const children = childrenOf(read.document);
    checkLimit(limits, "graphNodes", children.length, `${descriptor.digest}: the number of children`);
    yield read;
    const selected = options.select ? await options.select(read, depth) : children;
    for (const child of selected) if (isDocument(child)) pending.push({ descriptor: child, depth: depth + 1 });
  }
}
