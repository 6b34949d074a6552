export {
  type Document,
  decodeDescriptor,
  decodeDocument,
  decodeImageConfig,
  decodeImageLayout,
  decodeLayoutIndex,
} from "./decode.ts";
export {
  algorithmOf,
  type Digest,
  type DigestAlgorithm,
  digestOf,
  Hasher,
  hexOf,
  isDigest,
  parseDigest,
  shortDigest,
} from "./digest.ts";
export {
  annotationRefName,
  type Compression,
  isConfigType,
  isForeignLayerType,
  isIndexType,
  isManifestType,
  isSchema1Type,
  layerCompression,
  manifestAccept,
  mediaTypes,
} from "./media-types.ts";
export { type ManifestSummary, summarizeManifest } from "./sniff.ts";
export type {
  Descriptor,
  History,
  ImageConfig,
  ImageLayout,
  ImageRuntimeConfig,
  Index,
  Manifest,
  Platform,
} from "./types.ts";
