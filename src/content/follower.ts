import type { FileHandle } from "node:fs/promises";
import { GantryError, isGantryError } from "../base/error.ts";
import type { ChunkWriter } from "./chunk-writer.ts";
import type { Body } from "./content.ts";
import { type GrowingFileHandle, GrowingFileReader, requireOffset } from "./growing-file-reader.ts";

/** Each reader has a buffer of this size, and many readers may follow one blob. */
const CHUNK_SIZE = 1 << 18;

/**
 * Reads a blob while this process is writing it. It has its own file descriptor, so it can read even after the file was
 * renamed, to publish the blob, or removed, after a failure. Until the blob is published the last byte is withheld: a
 * reader that has all bytes has verified bytes. One follower serves one reader at a time. It is a {@link Body}, which a
 * server can send.
 */
export class Follower implements Body, AsyncDisposable {
  /** In bytes, if it is known. */
  readonly size: number | undefined;
  /** For a {@link GrowingFileReader} in a worker. Close the follower when the worker has ended, not before. */
  readonly handle: GrowingFileHandle;
  /** Resolves when the digest was proved and the blob published; rejects with the error of the writer. */
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
    // Not every reader waits for it, so its failure must not count as unhandled.
    proved.catch(() => {});
  }

  /**
   * Reads bytes at `offset` as soon as they may be read. A reader that gets TRANSFER_RESTARTED starts again at offset 0.
   * @returns how many; 0 at the end of a blob that was published, and for an empty buffer
   * @throws TRANSFER_RESTARTED if the writer started over: bytes that were read may be wrong. The error of the writer,
   * the signal's reason, TRANSFER_INTERRUPTED once the follower is closed, USAGE if `offset` is not a whole number from 0 on
   */
  async read(buffer: Uint8Array, offset: number, signal?: AbortSignal): Promise<number> {
    requireOffset(offset);
    if (buffer.byteLength === 0) return 0;
    return this.#read(buffer, offset, this.#stopOn(signal));
  }

  /** Passes all bytes to `write`, in order from the first one. Throws as {@link read}. */
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

  /** Closes the file descriptor; waiting reads are rejected. */
  async close(): Promise<void> {
    this.#closed.abort(new GantryError("TRANSFER_INTERRUPTED", "the follower of the blob was closed"));
    await this.#file.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
