import { GantryError } from "../base/error.ts";
import { checkLimit, type Limits } from "../base/limits.ts";
import { algorithmOf, type Digest, Hasher } from "../spec/digest.ts";
import type { Checkpoint, Checkpoints } from "./checkpoints.ts";

export interface VerifierOptions {
  readonly what: string;
  readonly limits: Limits;
  readonly from?: Checkpoint | undefined;
  readonly checkpoints?: Checkpoints | undefined;
}

/** Counts and hashes the bytes of a blob, and releases the last of them only when size and digest are proved. */
export class Verifier {
  readonly #digest: Digest;
  readonly #size: number | undefined;
  readonly #what: string;
  readonly #limits: Limits;
  readonly #hasher: Hasher;
  readonly #checkpoints: Checkpoints | undefined;
  #received: number;
  #proved = false;
  /** If the size is unknown, the newest chunk waits here. */
  #held: Buffer | undefined;

  constructor(digest: Digest, size: number | undefined, options: VerifierOptions) {
    const { from, what, limits, checkpoints } = options;
    this.#digest = digest;
    this.#size = size;
    this.#what = what;
    this.#limits = limits;
    this.#received = from?.offset ?? 0;
    this.#hasher = from?.hasher.copy() ?? new Hasher(algorithmOf(digest));
    this.#checkpoints = checkpoints;
  }

  /**
   * Takes the next chunk. @returns the bytes that may be passed on
   * @throws SIZE_MISMATCH, DIGEST_MISMATCH, LIMIT_EXCEEDED
   */
  push(chunk: Uint8Array): Uint8Array | undefined {
    if (chunk.byteLength === 0) return undefined;
    this.#received += chunk.byteLength;
    const size = this.#size;
    if (size === undefined) {
      checkLimit(this.#limits, "unsizedBlobBytes", this.#received, this.#what);
      this.#hasher.update(chunk);
      const released = this.#held;
      this.#held = Buffer.from(chunk);
      return released;
    }
    if (this.#received > size) throw sizeMismatch(this.#what, size, `more than ${size}`);
    this.#hasher.update(chunk);
    if (this.#received === size) this.#prove();
    else this.#checkpoints?.pass(this.#received, this.#hasher);
    return chunk;
  }

  /** Takes the end of the data. @returns the last chunk if it was withheld */
  end(): Uint8Array | undefined {
    const size = this.#size;
    if (size !== undefined && this.#received < size) throw sizeMismatch(this.#what, size, String(this.#received));
    if (!this.#proved) this.#prove();
    return this.#held;
  }

  #prove(): void {
    this.#proved = true;
    requireDigest(this.#hasher.digest(), this.#digest, this.#what);
  }
}

function sizeMismatch(what: string, size: number, received: string): GantryError<"SIZE_MISMATCH"> {
  return new GantryError(
    "SIZE_MISMATCH",
    `${what}: the descriptor says ${size} bytes, but ${received} were received; the content was discarded`,
    { details: { expected: size, received } },
  );
}

/** @throws DIGEST_MISMATCH if `computed`, which this process hashed itself, is not the expected digest */
export function requireDigest(computed: Digest, expected: Digest, what: string): void {
  if (computed === expected) return;
  throw new GantryError(
    "DIGEST_MISMATCH",
    `${what}: asked for ${expected}, but the received bytes have ${computed}; the content was discarded`,
    { details: { expected, computed } },
  );
}

/** @throws SIZE_MISMATCH */
export function requireSize(received: number, expected: number, what: string): void {
  if (received !== expected) throw sizeMismatch(what, expected, String(received));
}
