import type { ChunkWriter } from "./content.ts";

/** A writer that leaves out the first `count` bytes: what a source sends again, though its reader has them. */
export function skipping(count: number, write: ChunkWriter): ChunkWriter {
  let left = count;
  return (chunk) => {
    const fresh = left >= chunk.byteLength ? undefined : chunk.subarray(left);
    left = Math.max(0, left - chunk.byteLength);
    return fresh && write(fresh);
  };
}
