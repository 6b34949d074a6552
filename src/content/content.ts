import { GantryError, isGantryError, type Origin } from "../base/error.ts";
import { checkLimit, defaultLimits, type Limits } from "../base/limits.ts";
import { algorithmOf, type Digest, Hasher } from "../spec/digest.ts";
import type { Descriptor } from "../spec/types.ts";

/** Takes a chunk that is lent: it may be overwritten as soon as the call has returned or its promise is resolved. */
export type ChunkWriter = (chunk: Uint8Array) => void | Promise<void>;

/** Bytes on their way that nobody has verified: the raw material of {@link Content}. Single use. */
export interface Body {
  /** The path of the file that holds these bytes, where it is a local one. */
  readonly file?: string | undefined;
  /** Hands over every chunk in order, waiting for each; resolves at the end of the data. */
  pump(write: ChunkWriter, signal?: AbortSignal): Promise<void>;
  /** Releases socket, file and slot. Safe to call again, and while a pump is under way, which then rejects. */
  close(): void | Promise<void>;
}

/** What Content is verified against: a descriptor whose size may be unknown before the bytes have been counted. */
export type Expected = Pick<Descriptor, "digest"> & Partial<Pick<Descriptor, "mediaType" | "size">>;

/**
 * A place within content up to which the bytes are somewhere already, and have been hashed: what comes after it can
 * still be verified as part of the whole.
 */
export interface Checkpoint {
  readonly offset: number;
  /** Has seen the bytes up to `offset`. Copy it before it sees more. */
  readonly hasher: Hasher;
}

export interface ContentOptions {
  /** Names the bytes and where they come from, for messages: `blob sha256:... of 127.0.0.1:5000/app`. */
  readonly what: string;
  readonly limits?: Limits | undefined;
  /** The body starts here instead of at the first byte. */
  readonly from?: Checkpoint | undefined;
}

export interface PipeOptions {
  readonly signal?: AbortSignal | undefined;
}

/** What a transfer wants to know about content on its way. */
export interface ContentObserver {
  /** The side that errors of the content itself, not of its reader, are marked with. */
  readonly origin?: Origin | undefined;
  /** Told the length of each chunk. */
  readonly onBytes?: ((count: number) => void) | undefined;
}

/**
 * Bytes together with what they are verified against. The final chunk is withheld until size and digest have been
 * proved: who received everything received verified bytes, and who stops early has proved nothing and must not
 * publish. Bytes past the size fail at once. Used once: by `pipe`, by iterating, or by `bytes`. Who opened it and did
 * not use it closes it.
 *
 * Throws DIGEST_MISMATCH, SIZE_MISMATCH, LIMIT_EXCEEDED (unknown size), CONTENT_USED, what the body throws, and the
 * signal's own reason.
 */
export class Content implements AsyncIterable<Uint8Array>, AsyncDisposable {
  readonly descriptor: Expected;
  readonly what: string;
  readonly #body: Body;
  readonly #limits: Limits;
  readonly #from: Checkpoint | undefined;
  #observer: ContentObserver = {};
  #checkpoints: Checkpoints | undefined;
  #used = false;

  constructor(expected: Expected, body: Body, options: ContentOptions) {
    this.descriptor = expected;
    this.what = options.what;
    this.#body = body;
    this.#limits = options.limits ?? defaultLimits;
    this.#from = options.from;
  }

  /** How many bytes of the whole are left out at its beginning: those before the checkpoint that it was opened at. */
  get start(): number {
    return this.#from?.offset ?? 0;
  }

  /** From now on remembers, every few MiB, where it could be taken up again. */
  keepCheckpoints(): this {
    this.#checkpoints ??= new Checkpoints(this.#from);
    return this;
  }

  /** The last place at or before `offset` where it could be taken up again. */
  checkpoint(offset: number): Checkpoint | undefined {
    return this.#checkpoints?.before(offset);
  }

  /** The path of the local file that holds these bytes, if one does. They are as unverified as the rest. */
  get file(): string | undefined {
    return this.#body.file;
  }

  observe(observer: ContentObserver): this {
    this.#observer = observer;
    return this;
  }

  /** The fast path: every chunk is lent to `write` until it returns. */
  async pipe(write: ChunkWriter, options: PipeOptions = {}): Promise<void> {
    if (this.#used) throw new GantryError("CONTENT_USED", `${this.what}: the content was already read; open it again`);
    this.#used = true;
    const check = new Verifier(this.descriptor, this.what, this.#limits, this.#from, this.#checkpoints);
    const { onBytes, origin } = this.#observer;
    let readerFailed = false;
    const fail = (error: unknown): never => {
      readerFailed = true;
      throw error;
    };
    const guarded: ChunkWriter = (chunk) => {
      onBytes?.(chunk.byteLength);
      try {
        return write(chunk)?.catch(fail);
      } catch (error) {
        fail(error);
      }
    };
    try {
      options.signal?.throwIfAborted();
      await this.#body.pump((chunk) => check.push(chunk, guarded), options.signal);
      await check.end(guarded);
    } catch (error) {
      throw origin && !readerFailed && isGantryError(error) ? error.at(origin) : error;
    } finally {
      await this.#body.close();
    }
  }

  /** All bytes at once, verified; `limit` bounds them where the descriptor does not. */
  async bytes(options: PipeOptions & { readonly limit?: number | undefined } = {}): Promise<Buffer> {
    const limit = options.limit ?? this.#limits.metadataBytes;
    if ((this.descriptor.size ?? 0) > limit) {
      await this.cancel();
      checkLimit({ ...this.#limits, metadataBytes: limit }, "metadataBytes", this.descriptor.size!, this.what);
    }
    const chunks: Buffer[] = [];
    let length = 0;
    await this.pipe((chunk) => {
      length += chunk.byteLength;
      checkLimit({ ...this.#limits, metadataBytes: limit }, "metadataBytes", length, this.what);
      chunks.push(Buffer.from(chunk));
    }, options);
    return Buffer.concat(chunks, length);
  }

  /** Yields chunks that the consumer owns. Leaving the loop early releases everything. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    const stop = new AbortController();
    let ready: { chunk: Uint8Array; taken: () => void } | undefined;
    let finished: { error?: unknown | undefined } | undefined;
    let wake: () => void = () => {};
    let refuse: (reason: unknown) => void = () => {};
    stop.signal.addEventListener("abort", () => refuse(stop.signal.reason), { once: true });
    const done = this.pipe(
      (chunk) =>
        new Promise<void>((resolve, reject) => {
          refuse = reject;
          ready = { chunk: Buffer.from(chunk), taken: resolve };
          wake();
        }),
      { signal: stop.signal },
    ).then(
      () => {
        finished = {};
        wake();
      },
      (error: unknown) => {
        finished = { error };
        wake();
      },
    );
    try {
      for (;;) {
        while (!ready && !finished) {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
        if (ready) {
          const { chunk, taken } = ready;
          ready = undefined;
          yield chunk;
          taken();
        } else if ("error" in finished!) {
          throw finished.error;
        } else return;
      }
    } finally {
      if (!finished) {
        stop.abort(new GantryError("TRANSFER_INTERRUPTED", `${this.what}: the reader stopped early`));
        await this.#body.close();
        await done;
      }
    }
  }

  /** Releases what the content holds, used or not. */
  async cancel(): Promise<void> {
    this.#used = true;
    await this.#body.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.cancel();
  }
}

/** Counts and hashes; lets the last bytes pass only when they prove the rest. */
class Verifier {
  readonly #expected: Expected;
  readonly #what: string;
  readonly #limits: Limits;
  readonly #hasher: Hasher;
  readonly #checkpoints: Checkpoints | undefined;
  #received: number;
  #proved = false;
  /** Where the size is unknown, the newest chunk waits here. */
  #held: Buffer | undefined;

  constructor(expected: Expected, what: string, limits: Limits, from?: Checkpoint, checkpoints?: Checkpoints) {
    this.#expected = expected;
    this.#what = what;
    this.#limits = limits;
    this.#received = from?.offset ?? 0;
    this.#hasher = from?.hasher.copy() ?? new Hasher(algorithmOf(expected.digest));
    this.#checkpoints = checkpoints;
  }

  push(chunk: Uint8Array, write: ChunkWriter): void | Promise<void> {
    if (chunk.byteLength === 0) return;
    this.#received += chunk.byteLength;
    const { size } = this.#expected;
    if (size === undefined) {
      checkLimit(this.#limits, "unsizedBlobBytes", this.#received, this.#what);
      this.#hasher.update(chunk);
      const ready = this.#held;
      this.#held = Buffer.from(chunk);
      return ready && write(ready);
    }
    if (this.#received > size) throw sizeMismatch(this.#what, size, `more than ${size}`);
    this.#hasher.update(chunk);
    if (this.#received === size) this.#prove();
    else this.#checkpoints?.pass(this.#received, this.#hasher);
    return write(chunk);
  }

  async end(write: ChunkWriter): Promise<void> {
    const { size } = this.#expected;
    if (size !== undefined && this.#received < size) throw sizeMismatch(this.#what, size, String(this.#received));
    if (!this.#proved) this.#prove();
    if (this.#held) await write(this.#held);
  }

  #prove(): void {
    this.#proved = true;
    requireDigest(this.#hasher.digest(), this.#expected.digest, this.#what);
  }
}

/** Bytes between two checkpoints, at first. */
const CHECKPOINT_STEP = 4 << 20;
const MAX_CHECKPOINTS = 256;

/** Where a reading could be taken up again. Of a long one every second place is forgotten, so that few are kept. */
class Checkpoints {
  #kept: Checkpoint[];
  #step = CHECKPOINT_STEP;

  constructor(from: Checkpoint | undefined) {
    this.#kept = from ? [from] : [];
  }

  pass(offset: number, hasher: Hasher): void {
    if (offset - (this.#kept.at(-1)?.offset ?? 0) < this.#step) return;
    this.#kept.push({ offset, hasher: hasher.copy() });
    if (this.#kept.length < MAX_CHECKPOINTS) return;
    this.#kept = this.#kept.filter((_, at) => at % 2 === 1);
    this.#step *= 2;
  }

  before(offset: number): Checkpoint | undefined {
    return this.#kept.findLast((kept) => kept.offset <= offset);
  }
}

function sizeMismatch(what: string, size: number, received: string): GantryError<"SIZE_MISMATCH"> {
  return new GantryError(
    "SIZE_MISMATCH",
    `${what}: the descriptor says ${size} bytes, but ${received} came; the content was discarded`,
    { details: { expected: size, received } },
  );
}

/** @throws DIGEST_MISMATCH where `computed`, which we hashed ourselves, is not what was asked for */
export function requireDigest(computed: Digest, expected: Digest, what: string): void {
  if (computed === expected) return;
  throw new GantryError(
    "DIGEST_MISMATCH",
    `${what}: asked for ${expected}, but the bytes that came have ${computed}; the content was discarded`,
    { details: { expected, computed } },
  );
}

/** @throws SIZE_MISMATCH */
export function requireSize(received: number, expected: number, what: string): void {
  if (received !== expected) throw sizeMismatch(what, expected, String(received));
}
