import { abortable } from "../base/async.ts";

/** The state while the file grows is 0. */
export const COMPLETE = 1;
export const FAILED = 2;

/**
 * How far the writer of a file has come, in memory that readers in all threads share. Two rules make it safe to read
 * the file meanwhile. The writer lowers the watermark before it counts a restart, and counts it before it changes any
 * byte of the file. A reader reads the count before the watermark, and again after it has read bytes.
 */
export class SharedProgress {
  readonly shared: SharedArrayBuffer;
  /** The sequence number, which changes at every update; the state; how often the writer has started over. */
  readonly #cells: Int32Array;
  readonly #watermark: BigInt64Array;

  constructor(shared: SharedArrayBuffer = new SharedArrayBuffer(24)) {
    this.shared = shared;
    this.#cells = new Int32Array(shared, 0, 3);
    this.#watermark = new BigInt64Array(shared, 16, 1);
  }

  /** How many bytes of the file are written. */
  get watermark(): number {
    return Number(Atomics.load(this.#watermark, 0));
  }

  get state(): number {
    return Atomics.load(this.#cells, 1);
  }

  get restarts(): number {
    return Atomics.load(this.#cells, 2);
  }

  advance(to: number): void {
    Atomics.store(this.#watermark, 0, BigInt(to));
    this.#wake();
  }

  /** To be called before the file is truncated. */
  restart(): void {
    Atomics.store(this.#watermark, 0, 0n);
    Atomics.add(this.#cells, 2, 1);
    this.#wake();
  }

  end(state: typeof COMPLETE | typeof FAILED): void {
    Atomics.store(this.#cells, 1, state);
    this.#wake();
  }

  /** Changes at every update: read it first, then the other values, then wait for the next update. */
  get sequence(): number {
    return Atomics.load(this.#cells, 0);
  }

  #wake(): void {
    Atomics.add(this.#cells, 0, 1);
    Atomics.notify(this.#cells, 0);
  }

  /** Blocks the thread until an update after `sequence`, for `ms` milliseconds at most. */
  waitSync(sequence: number, ms: number): void {
    Atomics.wait(this.#cells, 0, sequence, ms);
  }

  /** Resolves at an update after `sequence`, and after a second at the latest. */
  async wait(sequence: number, signal?: AbortSignal): Promise<void> {
    const { waitAsync } = Atomics as unknown as { waitAsync: WaitAsync };
    await abortable(Promise.resolve(waitAsync(this.#cells, 0, sequence, 1_000).value), signal);
  }
}

type WaitAsync = (cells: Int32Array, at: number, value: number, ms: number) => { value: Promise<string> | string };
