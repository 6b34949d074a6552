import type { ChunkWriter } from "../../../content/chunk-writer.ts";
import type { Content } from "../../../content/content.ts";
import { skipping } from "../../../content/skip.ts";
import type { BlobSource } from "../../../content/source.ts";

/**
 * Reads a source from any offset: to its end, or in pieces for several requests. Where possible, a source that was read
 * before is opened at its last checkpoint, so that little of it is read and hashed again.
 */
export class SourceCursor {
  readonly #source: BlobSource;
  readonly #signal: AbortSignal | undefined;
  #content: Content | undefined;
  /** The content before `#content`. Its checkpoints tell where the source can be opened. */
  #last: Content | undefined;
  /** The chunks of `#content`, if it is sent in pieces, and the unsent rest of the last one. */
  #chunks: AsyncIterator<Uint8Array> | undefined;
  #rest: Uint8Array | undefined;
  /** How far `#content` has been read. */
  #read = 0;

  constructor(source: BlobSource, signal: AbortSignal | undefined) {
    this.#source = source;
    this.#signal = signal;
  }

  /**
   * Opens the source for bytes from `offset` on, unless it is being read there.
   * @param toEnd whether all remaining bytes will be read at once
   * @throws what the source throws
   */
  async seek(offset: number, toEnd: boolean): Promise<void> {
    if (this.#chunks && this.#read === offset) return;
    await this.close();
    const from = this.#last?.checkpoint(offset);
    this.#content = await this.#source.open({ signal: this.#signal, from });
    this.#content.keepCheckpoints();
    this.#read = this.#content.start;
    if (!toEnd) this.#chunks = this.#content[Symbol.asyncIterator]();
  }

  /** Writes `size` bytes from `offset` on. The caller has called `seek` for this offset. */
  async pump(offset: number, size: number, write: ChunkWriter, signal?: AbortSignal): Promise<void> {
    const chunks = this.#chunks;
    if (!chunks) {
      const content = this.#content!;
      return content.pipe(skipping(offset - content.start, write), { signal });
    }
    for (const end = offset + size; this.#read < end; ) {
      const next = this.#rest ?? (await chunks.next()).value;
      // An abandoned request must not take the bytes of the next one.
      if (!next || this.#chunks !== chunks) return;
      const from = Math.max(0, Math.min(next.byteLength, offset - this.#read));
      const to = Math.min(next.byteLength, end - this.#read);
      this.#read += to;
      this.#rest = to < next.byteLength ? next.subarray(to) : undefined;
      if (to > from) await write(next.subarray(from, to));
    }
  }

  /** Closes the source; `seek` opens it again. */
  async close(): Promise<void> {
    const chunks = this.#chunks;
    const content = this.#content;
    this.#last = content ?? this.#last;
    this.#content = undefined;
    this.#chunks = undefined;
    this.#rest = undefined;
    await content?.cancel();
    await chunks?.return?.().catch(() => {});
  }
}
