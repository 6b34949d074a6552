import type { Hasher } from "../spec/digest.ts";

/**
 * An offset in a blob, and the hash of the bytes before it. A reader that has those bytes can resume here, and the bytes
 * that follow are still verified as part of the whole blob.
 */
export interface Checkpoint {
  readonly offset: number;
  /** Has hashed the bytes before `offset`. Copy it before it hashes more. */
  readonly hasher: Hasher;
}

/** The first distance between two checkpoints. Bytes. */
const STEP = 4 << 20;
const MAX_KEPT = 256;

/** The checkpoints of one transfer. When there are too many, every second one is dropped and the step doubles. */
export class Checkpoints {
  #kept: Checkpoint[];
  #step = STEP;

  constructor(from: Checkpoint | undefined) {
    this.#kept = from ? [from] : [];
  }

  /** Keeps a checkpoint at `offset`, unless the last one is too near. */
  pass(offset: number, hasher: Hasher): void {
    if (offset - (this.#kept.at(-1)?.offset ?? 0) < this.#step) return;
    this.#kept.push({ offset, hasher: hasher.copy() });
    if (this.#kept.length < MAX_KEPT) return;
    this.#kept = this.#kept.filter((_, at) => at % 2 === 1);
    this.#step *= 2;
  }

  /** The last checkpoint at or before `offset`. */
  before(offset: number): Checkpoint | undefined {
    return this.#kept.findLast((kept) => kept.offset <= offset);
  }
}
