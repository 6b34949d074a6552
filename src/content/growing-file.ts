import { constants, type FileHandle, open } from "node:fs/promises";
import { GantryError } from "../base/error.ts";

const GROWING = 0;
const COMPLETE = 1;
const FAILED = 2;

/** What a reader in any thread needs; it can be posted to a worker. */
export interface GrowingFileHandle {
  readonly path: string;
  readonly shared: SharedArrayBuffer;
}

/** Bytes buffered before a write. Two buffers alternate: one fills while the other is written. */
const BUFFER_SIZE = 1 << 20;

/**
 * A file that one writer appends to while readers, in this thread or in workers, read behind its watermark from the
 * same path: bytes never travel as messages, the page cache carries them and the disk is the back-pressure. Bytes
 * behind the watermark are what arrived, not what was verified; `complete` says that they were.
 */
export class GrowingFile {
  readonly path: string;
  readonly shared: SharedArrayBuffer = new SharedArrayBuffer(16);
  readonly #view: View;
  readonly #file: FileHandle;
  #free: Buffer[] = [Buffer.allocUnsafe(BUFFER_SIZE), Buffer.allocUnsafe(BUFFER_SIZE)];
  #filling: Buffer | undefined;
  #filled = 0;
  #position = 0;
  #writing: Promise<void> = Promise.resolve();
  /** Appends that wait for the disk, in their order. */
  #queue: Promise<void> | undefined;

  private constructor(path: string, file: FileHandle) {
    this.path = path;
    this.#file = file;
    this.#view = new View(this.shared);
  }

  /** Makes the file, which must not exist. */
  static async create(path: string, mode = 0o600): Promise<GrowingFile> {
    return new GrowingFile(path, await open(path, "wx", mode));
  }

  /** Opens one that was left off: its first `length` bytes are as they should be, and what follows them goes. */
  static async resume(path: string, length: number): Promise<GrowingFile> {
    const handle = await open(path, constants.O_RDWR | (constants.O_NOFOLLOW ?? 0));
    const file = new GrowingFile(path, handle);
    await file.#startAt(length).catch(async (error: unknown) => {
      await handle.close();
      throw error;
    });
    return file;
  }

  /** Gives up what is there; to be called before anything is appended. */
  async startOver(): Promise<void> {
    await this.#startAt(0);
  }

  async #startAt(length: number): Promise<void> {
    await this.#file.truncate(length);
    this.#position = length;
    this.#view.advance(length);
  }

  get handle(): GrowingFileHandle {
    return { path: this.path, shared: this.shared };
  }

  /** Takes a copy of the chunk. A promise is returned only where the disk has fallen behind. */
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

  /** Takes what there are buffers for. @returns what is left */
  #fill(chunk: Uint8Array): Uint8Array | undefined {
    for (let at = 0; at < chunk.byteLength; ) {
      this.#filling ??= this.#free.pop();
      if (!this.#filling) return chunk.subarray(at);
      const count = Math.min(BUFFER_SIZE - this.#filled, chunk.byteLength - at);
      this.#filling.set(chunk.subarray(at, at + count), this.#filled);
      this.#filled += count;
      at += count;
      if (this.#filled === BUFFER_SIZE) this.#flush();
    }
    return undefined;
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
      this.#view.advance(this.#position);
    };
    this.#writing = this.#writing.then(write);
    // A failed write is thrown by the next append or by finish; until then it must not count as unhandled.
    this.#writing.catch(() => {});
  }

  /** Writes out what is buffered and, unless told not to, waits until the disk has it (fdatasync). */
  async finish(options: { readonly sync?: boolean | undefined } = {}): Promise<void> {
    while (this.#queue) await this.#queue;
    this.#flush();
    await this.#writing;
    if (options.sync !== false) await this.#file.datasync();
    await this.#file.close();
  }

  /** Tells readers that all bytes are there and have been verified. */
  complete(): void {
    this.#view.end(COMPLETE);
  }

  /** Tells readers that no more will come, and closes the file. Removing it, or keeping it, is the writer's business. */
  async fail(): Promise<void> {
    this.#view.end(FAILED);
    await this.#queue?.catch(() => {});
    this.#flush();
    await this.#writing.catch(() => {});
    await this.#file.close().catch(() => {});
  }
}

class View {
  readonly #cells: Int32Array;
  readonly #watermark: BigInt64Array;

  constructor(shared: SharedArrayBuffer) {
    this.#cells = new Int32Array(shared, 0, 2);
    this.#watermark = new BigInt64Array(shared, 8, 1);
  }

  get watermark(): number {
    return Number(Atomics.load(this.#watermark, 0));
  }

  get state(): number {
    return Atomics.load(this.#cells, 1);
  }

  advance(to: number): void {
    Atomics.store(this.#watermark, 0, BigInt(to));
    this.#wake();
  }

  end(state: number): void {
    Atomics.store(this.#cells, 1, state);
    this.#wake();
  }

  get sequence(): number {
    return Atomics.load(this.#cells, 0);
  }

  #wake(): void {
    Atomics.add(this.#cells, 0, 1);
    Atomics.notify(this.#cells, 0);
  }

  waitSync(sequence: number, ms: number): void {
    Atomics.wait(this.#cells, 0, sequence, ms);
  }

  async wait(sequence: number): Promise<void> {
    const result = (Atomics as unknown as { waitAsync: WaitAsync }).waitAsync(this.#cells, 0, sequence, 1_000);
    await result.value;
  }
}

type WaitAsync = (cells: Int32Array, at: number, value: number, ms: number) => { value: Promise<string> | string };

/** How far a reader may go: `end` bytes are there; `ended` says that no more will come. */
export interface Readable {
  readonly end: number;
  readonly ended: boolean;
}

/** The reading side of a {@link GrowingFile}. */
export class GrowingFileReader {
  readonly path: string;
  readonly #view: View;

  constructor(handle: GrowingFileHandle) {
    this.path = handle.path;
    this.#view = new View(handle.shared);
  }

  /** @throws TRANSFER_INTERRUPTED where the writer failed */
  #look(offset: number): Readable | undefined {
    const state = this.#view.state;
    const end = this.#view.watermark;
    if (state === FAILED) {
      throw new GantryError("TRANSFER_INTERRUPTED", `${this.path}: the download that fills this file failed`);
    }
    if (state === COMPLETE) return { end, ended: true };
    return state === GROWING && end > offset ? { end, ended: false } : undefined;
  }

  /** Resolves when there are bytes past `offset`, or none will come. */
  async wait(offset: number, signal?: AbortSignal): Promise<Readable> {
    for (;;) {
      signal?.throwIfAborted();
      const sequence = this.#view.sequence;
      const readable = this.#look(offset);
      if (readable) return readable;
      await this.#view.wait(sequence);
    }
  }

  /** As {@link wait}, blocking the thread: for workers only. `stop` is asked a few times a second. */
  waitSync(offset: number, stop: () => boolean = () => false): Readable {
    for (;;) {
      const sequence = this.#view.sequence;
      const readable = this.#look(offset);
      if (readable) return readable;
      if (stop()) throw new GantryError("TRANSFER_INTERRUPTED", `${this.path}: the reader was stopped`);
      this.#view.waitSync(sequence, 250);
    }
  }
}
