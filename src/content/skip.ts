import type { ChunkWriter } from "./chunk-writer.ts";

/** A writer that drops the first `count` bytes: its reader has them, but the source cannot resume and sends them again. */
export function skipping(count: number, write: ChunkWriter): ChunkWriter {
  let left = count;
  return (chunk) => {
    const fresh = left >= chunk.byteLength ? undefined : chunk.subarray(left);
    left = Math.max(0, left - chunk.byteLength);
    return fresh && write(fresh);
  };
}
