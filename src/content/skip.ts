import type { ChunkWriter } from "./content.ts";

/** A writer that drops the first `count` bytes: for a source that cannot resume and sends again what its reader has. */
export function skipping(count: number, write: ChunkWriter): ChunkWriter {
  let left = count;
  return (chunk) => {
    const fresh = left >= chunk.byteLength ? undefined : chunk.subarray(left);
    left = Math.max(0, left - chunk.byteLength);
    return fresh && write(fresh);
  };
}
