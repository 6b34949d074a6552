import { readSync } from "node:fs";
import { GantryError } from "../base/error.ts";
import { COMPLETE, FAILED, SharedProgress } from "./shared-progress.ts";

/** Opens a growing file for a reader in any thread; it can be posted to a worker. */
export interface GrowingFileHandle {
  /** A file descriptor, open for reading. Its owner closes it only when all readers in other threads have ended. */
  readonly fd: number;
  readonly shared: SharedArrayBuffer;
  /** How many bytes the file will have, if that is known. */
  readonly size?: number | undefined;
}

/** The bytes before `end` may be read. `ended` says that they are all bytes of the file, and verified. */
export interface Readable {
  readonly end: number;
  readonly ended: boolean;
  /** How often the writer had started over. */
  readonly restarts: number;
}

/**
 * The reading side of a file that a `GrowingFile` writes, in any thread. Until the bytes have been verified the
 * last of them is withheld, so a reader that has `size` bytes has verified bytes.
 *
 * Throws TRANSFER_RESTARTED if the writer has started over since this reader began: bytes that it has read may be wrong,
 * and it must start again at offset 0. Throws TRANSFER_INTERRUPTED if the writer failed, and USAGE if an offset is not a
 * whole number from 0 on.
 */
export class GrowingFileReader {
  readonly #fd: number;
  readonly #size: number | undefined;
  readonly #progress: SharedProgress;
  #restarts: number | undefined;

  constructor({ fd, size, shared }: GrowingFileHandle) {
    this.#fd = fd;
    this.#size = size;
    this.#progress = new SharedProgress(shared);
  }

  /** Undefined if no byte past `offset` may be read yet. */
  #look(offset: number): Readable | undefined {
    const { restarts } = this.#progress;
    if (offset === 0) this.#restarts = restarts;
    this.#restarts ??= restarts;
    if (restarts !== this.#restarts) {
      throw new GantryError(
        "TRANSFER_RESTARTED",
        "the transfer that fills this file started over, and bytes that were read before may be wrong; read again from offset 0",
      );
    }
    const { state, watermark } = this.#progress;
    if (state === FAILED) {
      throw new GantryError("TRANSFER_INTERRUPTED", "the transfer that fills this file failed");
    }
    if (state === COMPLETE) return { end: watermark, ended: true, restarts };
    const end = Math.min(watermark, (this.#size ?? watermark) - 1);
    return end > offset ? { end, ended: false, restarts } : undefined;
  }

  /** Resolves when bytes past `offset` may be read, or all have been verified. */
  async wait(offset: number, signal?: AbortSignal): Promise<Readable> {
    requireOffset(offset);
    for (;;) {
      signal?.throwIfAborted();
      const { sequence } = this.#progress;
      const readable = this.#look(offset);
      if (readable) return readable;
      await this.#progress.wait(sequence, signal);
    }
  }

  /** As {@link wait}, blocking the thread: for workers only. `stop` is called a few times a second; true ends the wait. */
  waitSync(offset: number, stop: () => boolean = () => false): Readable {
    requireOffset(offset);
    for (;;) {
      const { sequence } = this.#progress;
      const readable = this.#look(offset);
      if (readable) return readable;
      if (stop()) throw new GantryError("TRANSFER_INTERRUPTED", "the reader was stopped");
      this.#progress.waitSync(sequence, 250);
    }
  }

  /**
   * Reads bytes at `offset` as soon as they may be read, blocking the thread: for workers only.
   * @returns how many; 0 at the end, and for an empty buffer
   */
  readSync(buffer: Uint8Array, offset: number, stop?: () => boolean): number {
    requireOffset(offset);
    if (buffer.byteLength === 0) return 0;
    for (;;) {
      const readable = this.waitSync(offset, stop);
      if (readable.end <= offset) return 0;
      const count = readSync(this.#fd, buffer, 0, Math.min(buffer.byteLength, readable.end - offset), offset);
      if (this.confirm(readable, count)) return count;
    }
  }

  /**
   * To be called after `count` bytes were read.
   * @returns false if the writer has started over since `readable` was taken: the bytes must be read again
   */
  confirm(readable: Readable, count: number): boolean {
    if (this.#progress.restarts !== readable.restarts) return false;
    if (count > 0) return true;
    throw new GantryError("TRANSFER_INTERRUPTED", "the file was truncated while it was read");
  }
}

/** Node reads at the current position where the offset is negative, and aborts the process where it is NaN. */
export function requireOffset(offset: number): void {
  if (Number.isSafeInteger(offset) && offset >= 0) return;
  throw new GantryError(
    "USAGE",
    `reading at offset ${offset}: an offset is a whole number of bytes, 0 or more; give the count of bytes read so far`,
  );
}
