export { annotationKeys } from "./annotations.ts";
export { embeddedData, emptyJsonDescriptor } from "./data.ts";
export {
  type Document,
  decodeDescriptor,
  decodeDocument,
  decodeImage,
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
export { editImage, editIndex, editLayoutIndex, editManifest } from "./edit.ts";
export {
  encodeDescriptor,
  encodeImage,
  encodeImageLayout,
  encodeIndex,
  encodeJson,
  encodeManifest,
  formatTime,
} from "./encode.ts";
export {
  type Compression,
  isCheckpointType,
  isConfigType,
  isForeignLayerType,
  isIndexType,
  isLayerType,
  isManifestType,
  isSchema1Type,
  layerCompression,
  manifestAccept,
  mediaTypes,
} from "./media-types.ts";
export { type ManifestSummary, summarizeManifest } from "./summary.ts";
export {
  type Descriptor,
  type History,
  type Image,
  type ImageConfig,
  type ImageLayout,
  type Index,
  imageLayout,
  type Manifest,
  type Platform,
  type RootFS,
  specVersion,
  type Versioned,
} from "./types.ts";
export {
  type Violation,
  validateDescriptor,
  validateImage,
  validateImageLayout,
  validateIndex,
  validateManifest,
} from "./validate.ts";
