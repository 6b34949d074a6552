import { GantryError } from "../base/error.ts";
import { checkLimit, defaultLimits, type Limits } from "../base/limits.ts";
import type { Provider } from "../content/source.ts";
import { requireDigest, requireSize } from "../content/verifier.ts";
import { embeddedData } from "../spec/data.ts";
import { type Document, decodeDocument, decodeImage } from "../spec/decode.ts";
import { algorithmOf, digestOf } from "../spec/digest.ts";
import { isIndexType, isManifestType, isSchema1Type } from "../spec/media-types.ts";
import type { Descriptor, Image, Manifest } from "../spec/types.ts";

export interface GraphOptions {
  readonly signal?: AbortSignal | undefined;
  readonly limits?: Limits | undefined;
}

/** A document of an image graph: its descriptor, its bytes, which are passed on unchanged, and the decoded document. */
export interface ReadDocument {
  readonly descriptor: Descriptor;
  readonly bytes: Buffer;
  readonly document: Document;
}

/** True for descriptors whose content has children of its own. */
export function isDocument(descriptor: Pick<Descriptor, "mediaType">): boolean {
  const { mediaType } = descriptor;
  return isIndexType(mediaType) || isManifestType(mediaType) || isSchema1Type(mediaType);
}

/** The children of a document in their order: manifests; or config, then layers. */
export function childrenOf(document: Document): readonly Descriptor[] {
  return document.kind === "index" ? document.index.manifests : [document.manifest.config, ...document.manifest.layers];
}

/** Reads, verifies and decodes a manifest or an index. */
export async function readDocument(
  provider: Provider,
  descriptor: Descriptor,
  options: GraphOptions = {},
): Promise<ReadDocument> {
  const bytes = await readBlob(provider, descriptor, options);
  const what = `manifest ${descriptor.digest}`;
  return { descriptor, bytes, document: decodeDocument(bytes, descriptor.mediaType, what, options.limits) };
}

/**
 * A small blob or document, verified here whatever the provider verified. Taken from the descriptor if that embeds it.
 * @throws UNSUPPORTED_ALGORITHM, DIGEST_MISMATCH, SIZE_MISMATCH, LIMIT_EXCEEDED, errors of the provider
 */
export async function readBlob(provider: Provider, descriptor: Descriptor, options: GraphOptions): Promise<Buffer> {
  const what = `${descriptor.mediaType} ${descriptor.digest}`;
  const limits = options.limits ?? defaultLimits;
  const algorithm = algorithmOf(descriptor.digest);
  checkLimit(limits, "metadataBytes", descriptor.size, `${what} of ${descriptor.size} bytes`);
  const embedded = embeddedData(descriptor, limits);
  if (embedded) return embedded;
  await using content = await provider.read(descriptor, options);
  const bytes = await content.bytes({
    signal: options.signal,
    limit: limits.metadataBytes,
  });
  requireSize(bytes.length, descriptor.size, what);
  requireDigest(digestOf(bytes, algorithm), descriptor.digest, what);
  return bytes;
}

/**
 * The image configuration of a manifest, which must have as many diffIDs as the manifest has layers.
 * @throws NOT_AN_IMAGE for artifacts, INVALID_DOCUMENT
 */
export async function readConfig(provider: Provider, manifest: Manifest, options: GraphOptions = {}): Promise<Image> {
  const { config, layers } = manifest;
  const bytes = await readBlob(provider, config, options);
  const what = `config ${config.digest}`;
  const decoded = decodeImage(bytes, what, options.limits);
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
