/** The size of a slot. Bytes. */
const SLOT_SIZE = 1 << 20;

/** The slot holds inflated bytes. */
export const SLOT_DATA = 0;
/** The slot is empty: the layer has ended. */
export const SLOT_LAYER_END = 1;
/** The slot is empty: the last layer has ended. */
export const SLOT_END = 2;

export interface RingHandle {
  readonly shared: SharedArrayBuffer;
  readonly slots: number;
}

const WRITTEN = 0;
const READ = 1;
const STOP = 2;
const CELLS = 4;

/** Thrown on both sides of a ring after `stop`. The side that stopped it knows the reason. */
export class RingStopped extends Error {}

/**
 * A ring of buffers in shared memory between one producing and one consuming thread. Bytes are written into a slot and
 * read from it, without a copy in between. Each side blocks while the other is behind.
 */
export class Ring {
  readonly slots: number;
  readonly shared: SharedArrayBuffer;
  readonly #cells: Int32Array;
  readonly #meta: Int32Array;
  readonly #buffers: readonly Buffer[];

  constructor(handle: RingHandle | { readonly slots: number }) {
    this.slots = handle.slots;
    const head = (CELLS + 2 * this.slots) * 4;
    this.shared = "shared" in handle ? handle.shared : new SharedArrayBuffer(head + this.slots * SLOT_SIZE);
    this.#cells = new Int32Array(this.shared, 0, CELLS);
    this.#meta = new Int32Array(this.shared, CELLS * 4, 2 * this.slots);
    this.#buffers = Array.from({ length: this.slots }, (_, at) =>
      Buffer.from(this.shared, head + at * SLOT_SIZE, SLOT_SIZE),
    );
  }

  get handle(): RingHandle {
    return { shared: this.shared, slots: this.slots };
  }

  /** Makes both sides throw, also while they wait. */
  stop(): void {
    Atomics.store(this.#cells, STOP, 1);
    Atomics.notify(this.#cells, WRITTEN);
    Atomics.notify(this.#cells, READ);
  }

  get stopped(): boolean {
    return Atomics.load(this.#cells, STOP) === 1;
  }

  /** Waits until the next slot is free, and lends it to the producer to fill. */
  next(): Buffer {
    for (;;) {
      if (this.stopped) throw new RingStopped();
      const read = Atomics.load(this.#cells, READ);
      const written = Atomics.load(this.#cells, WRITTEN);
      if (((written - read) | 0) < this.slots) return this.#buffers[(written >>> 0) % this.slots]!;
      Atomics.wait(this.#cells, READ, read, 1_000);
    }
  }

  /** Hands the slot that `next` lent to the consumer. */
  commit(length: number, kind: number = SLOT_DATA): void {
    const written = Atomics.load(this.#cells, WRITTEN);
    const slot = (written >>> 0) % this.slots;
    this.#meta[2 * slot] = kind;
    this.#meta[2 * slot + 1] = length;
    Atomics.store(this.#cells, WRITTEN, (written + 1) | 0);
    Atomics.notify(this.#cells, WRITTEN);
  }

  /** Hands over a slot without bytes. */
  mark(kind: number): void {
    this.next();
    this.commit(0, kind);
  }

  /** Waits for the oldest filled slot, lends it to `take`, and frees it. */
  take(take: (kind: number, bytes: Buffer) => void): void {
    for (;;) {
      if (this.stopped) throw new RingStopped();
      const read = Atomics.load(this.#cells, READ);
      const written = Atomics.load(this.#cells, WRITTEN);
      if (read !== written) {
        const slot = (read >>> 0) % this.slots;
        take(this.#meta[2 * slot]!, this.#buffers[slot]!.subarray(0, this.#meta[2 * slot + 1]));
        Atomics.store(this.#cells, READ, (read + 1) | 0);
        Atomics.notify(this.#cells, READ);
        return;
      }
      Atomics.wait(this.#cells, WRITTEN, written, 1_000);
    }
  }
}
