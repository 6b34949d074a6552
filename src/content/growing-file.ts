import { constants, type FileHandle, open } from "node:fs/promises";
import { COMPLETE, FAILED, SharedProgress } from "./shared-progress.ts";

/** Bytes buffered before a write. Two buffers alternate: one fills while the other is written. */
const BUFFER_SIZE = 1 << 20;
/** Bytes of a slow source are written after this time, even if their buffer is not full. */
const FLUSH_MS = 50;

/**
 * The writing side of a file that readers, in this thread or in workers, read up to its watermark. Bytes never travel as
 * messages: the page cache carries them, and the disk is the back-pressure. The bytes before the watermark have arrived;
 * only `complete` says that they were verified. See {@link GrowingFileReader}.
 */
export class GrowingFile {
  readonly path: string;
  readonly #progress = new SharedProgress();
  readonly #file: FileHandle;
  #free: Buffer[] = [Buffer.allocUnsafe(BUFFER_SIZE), Buffer.allocUnsafe(BUFFER_SIZE)];
  #filling: Buffer | undefined;
  #filled = 0;
  #fillingSince = 0;
  #timer: NodeJS.Timeout | undefined;
  #position = 0;
  #writing: Promise<void> = Promise.resolve();
  /** Appends that wait for the disk, in their order. */
  #queue: Promise<void> | undefined;

  private constructor(path: string, file: FileHandle) {
    this.path = path;
    this.#file = file;
  }

  /** Creates the file, which must not exist. @throws errors of the file system */
  static async create(path: string, mode = 0o600): Promise<GrowingFile> {
    return new GrowingFile(path, await open(path, "wx", mode));
  }

  /** Opens a file whose first `length` bytes are right, and truncates it there. @throws errors of the file system */
  static async resume(path: string, length: number): Promise<GrowingFile> {
    const handle = await open(path, constants.O_RDWR | (constants.O_NOFOLLOW ?? 0));
    const file = new GrowingFile(path, handle);
    try {
      await handle.truncate(length);
    } catch (error) {
      await handle.close();
      throw error;
    }
    file.#position = length;
    file.#progress.advance(length);
    return file;
  }

  /** The memory that tells readers how many bytes are written. */
  get shared(): SharedArrayBuffer {
    return this.#progress.shared;
  }

  /** Discards all bytes, and tells readers so. Must not be called while an append is under way. */
  async startOver(): Promise<void> {
    await this.#queue?.catch(() => {});
    this.#stopTimer();
    if (this.#filling) this.#free.push(this.#filling);
    this.#filling = undefined;
    this.#filled = 0;
    await this.#writing;
    this.#progress.restart();
    await this.#file.truncate(0);
    this.#position = 0;
  }

  /** Takes a copy of the chunk. Returns a promise only if the disk has fallen behind. */
  append(chunk: Uint8Array): void | Promise<void> {
    if (this.#queue) return this.#enqueue(this.#queue.then(() => this.#drain(chunk)));
    const rest = this.#fill(chunk);
    if (rest) return this.#enqueue(this.#drain(rest));
  }

  #enqueue(appended: Promise<void>): Promise<void> {
    this.#queue = appended;
    const done = (): void => {
      if (this.#queue === appended) this.#queue = undefined;
    };
    appended.then(done, done);
    return appended;
  }

  async #drain(chunk: Uint8Array): Promise<void> {
    for (let rest = this.#fill(chunk); rest; rest = this.#fill(rest)) await this.#writing;
  }

  /** Copies as much as the buffers hold. @returns the rest of the chunk */
  #fill(chunk: Uint8Array): Uint8Array | undefined {
    for (let at = 0; at < chunk.byteLength; ) {
      const buffer = this.#filling ?? this.#startFilling();
      if (!buffer) return chunk.subarray(at);
      const count = Math.min(BUFFER_SIZE - this.#filled, chunk.byteLength - at);
      buffer.set(chunk.subarray(at, at + count), this.#filled);
      this.#filled += count;
      at += count;
      if (this.#filled === BUFFER_SIZE) this.#flush();
    }
    return undefined;
  }

  #startFilling(): Buffer | undefined {
    this.#filling = this.#free.pop();
    if (this.#filling) {
      this.#fillingSince = performance.now();
      this.#timer ??= setTimeout(this.#flushOld, FLUSH_MS).unref();
    }
    return this.#filling;
  }

  /** One timer serves many buffers, so that a fast source starts few timers and writes only full buffers. */
  readonly #flushOld = (): void => {
    this.#timer = undefined;
    if (!this.#filling) return;
    const age = performance.now() - this.#fillingSince;
    // While the disk is still writing the other buffer, this one keeps filling.
    if (age >= FLUSH_MS - 1 && this.#free.length > 0) this.#flush();
    else this.#timer = setTimeout(this.#flushOld, Math.max(1, FLUSH_MS - age)).unref();
  };

  #stopTimer(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #flush(): void {
    const buffer = this.#filling;
    if (!buffer || this.#filled === 0) return;
    const length = this.#filled;
    this.#filling = undefined;
    this.#filled = 0;
    const write = async (): Promise<void> => {
      for (let done = 0; done < length; ) {
        const { bytesWritten } = await this.#file.write(buffer, done, length - done, this.#position);
        done += bytesWritten;
        this.#position += bytesWritten;
      }
      this.#free.push(buffer);
      this.#progress.advance(this.#position);
    };
    this.#writing = this.#writing.then(write);
    // The next append or finish throws a failed write; until then it must not count as unhandled.
    this.#writing.catch(() => {});
  }

  /** Writes the buffered bytes, waits until the disk has them (fdatasync) unless `sync` is false, and closes the file. */
  async finish(options: { readonly sync?: boolean | undefined } = {}): Promise<void> {
    while (this.#queue) await this.#queue;
    this.#stopTimer();
    this.#flush();
    await this.#writing;
    if (options.sync !== false) await this.#file.datasync();
    await this.#file.close();
  }

  /** Tells readers that all bytes are written and verified. */
  complete(): void {
    this.#progress.end(COMPLETE);
  }

  /** Tells readers that the transfer failed, writes the buffered bytes, and closes the file without removing it. */
  async fail(): Promise<void> {
    this.#progress.end(FAILED);
    await this.#queue?.catch(() => {});
    this.#stopTimer();
    this.#flush();
    await this.#writing.catch(() => {});
    await this.#file.close().catch(() => {});
  }
}
