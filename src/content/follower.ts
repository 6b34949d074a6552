import type { FileHandle } from "node:fs/promises";
import { GantryError, isGantryError } from "../base/error.ts";
import type { Body, ChunkWriter } from "./content.ts";
import { type GrowingFileHandle, GrowingFileReader } from "./growing-file-reader.ts";

/** As many readers as follow one blob have a buffer of this size each. */
const CHUNK_SIZE = 1 << 18;

/**
 * Reads a blob while this process is writing it. It has a descriptor of its own, so publishing the blob, which renames
 * the file, or removing it after a failure takes nothing away. Until the blob is published the last byte is withheld:
 * a reader that has all bytes has verified bytes. One follower serves one reader at a time. It is a {@link Body}, which
 * a server sends as it is.
 */
export class Follower implements Body, AsyncDisposable {
  /** In bytes, where it is known. */
  readonly size: number | undefined;
  /** For a {@link GrowingFileReader} in a worker. Close the follower when the worker has ended, not before. */
  readonly handle: GrowingFileHandle;
  /** Resolves when the digest was proved and the blob published; rejects with what the writer failed with. */
  readonly proved: Promise<void>;
  readonly #file: FileHandle;
  readonly #reader: GrowingFileReader;
  readonly #closed = new AbortController();

  constructor(file: FileHandle, progress: Omit<GrowingFileHandle, "fd">, proved: Promise<void>) {
    this.#file = file;
    this.size = progress.size;
    this.handle = { ...progress, fd: file.fd };
    this.proved = proved;
    this.#reader = new GrowingFileReader(this.handle);
    // Not every reader asks for it.
    proved.catch(() => {});
  }

  /**
   * Reads bytes at `offset` as soon as there are any. Reading at offset 0 begins anew.
   * @returns how many; 0 at the end of a blob that was published
   * @throws TRANSFER_RESTARTED where the writer started over: bytes that were read may be wrong. What the writer failed
   * with, the signal's reason, TRANSFER_INTERRUPTED once the follower is closed
   */
  read(buffer: Uint8Array, offset: number, signal?: AbortSignal): Promise<number> {
    return this.#read(buffer, offset, this.#stopOn(signal));
  }

  /** Hands over all bytes in order, from the first one. Throws as {@link read}. */
  async pump(write: ChunkWriter, signal?: AbortSignal): Promise<void> {
    const stop = this.#stopOn(signal);
    const buffer = Buffer.allocUnsafe(CHUNK_SIZE);
    for (let at = 0; ; ) {
      const count = await this.#read(buffer, at, stop);
      if (count === 0) return;
      at += count;
      await write(buffer.subarray(0, count));
    }
  }

  #stopOn(signal: AbortSignal | undefined): AbortSignal {
    return signal ? AbortSignal.any([signal, this.#closed.signal]) : this.#closed.signal;
  }

  async #read(buffer: Uint8Array, offset: number, stop: AbortSignal): Promise<number> {
    try {
      for (;;) {
        const readable = await this.#reader.wait(offset, stop);
        if (readable.end <= offset) return 0;
        const length = Math.min(buffer.byteLength, readable.end - offset);
        const { bytesRead } = await this.#file.read(buffer, 0, length, offset);
        if (this.#reader.confirm(readable, bytesRead)) return bytesRead;
      }
    } catch (error) {
      stop.throwIfAborted();
      // The reader knows only that the writer failed, not why.
      if (isGantryError(error, "TRANSFER_INTERRUPTED")) await this.proved;
      throw error;
    }
  }

  /** Releases the descriptor; reads that are waiting are rejected. */
  async close(): Promise<void> {
    this.#closed.abort(new GantryError("TRANSFER_INTERRUPTED", "the follower of the blob was closed"));
    await this.#file.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
