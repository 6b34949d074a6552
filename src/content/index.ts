export { BlobDirectory, type BlobDirectoryOptions } from "./blob-directory.ts";
export type { Checkpoint } from "./checkpoints.ts";
export type { ChunkWriter } from "./chunk-writer.ts";
export {
  type Body,
  Content,
  type ContentObserver,
  type ContentOptions,
  type Expected,
  type PipeOptions,
} from "./content.ts";
export type { Follower } from "./follower.ts";
export { type GrowingFileHandle, GrowingFileReader, type Readable } from "./growing-file-reader.ts";
export type { OpenSource, WriteOptions } from "./ingest.ts";
export {
  type BlobSource,
  bytesBody,
  bytesContent,
  bytesSource,
  fileBody,
  fileContent,
  iterableBody,
  type OpenContentOptions,
  type Provider,
} from "./source.ts";
export type { BlobUploadFile } from "./upload-file.ts";
export { requireDigest, requireSize } from "./verifier.ts";
