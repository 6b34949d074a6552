export { type ChunkSource, type Decompress, decompressor, gunzipByStream } from "./decompress.ts";
export type { InflateSink } from "./zlib-handle.ts";
