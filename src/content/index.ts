export { BlobDirectory, type BlobDirectoryOptions, type BlobUploadFile, type WriteOptions } from "./blob-directory.ts";
export {
  type Body,
  type ChunkWriter,
  Content,
  type ContentObserver,
  type ContentOptions,
  type Expected,
  type PipeOptions,
  requireDigest,
  requireSize,
} from "./content.ts";
export { GrowingFile, type GrowingFileHandle, GrowingFileReader, type Readable } from "./growing-file.ts";
export {
  type BlobSource,
  bytesBody,
  bytesContent,
  bytesSource,
  fileBody,
  fileContent,
  iterableBody,
  type Provider,
} from "./source.ts";
