import { GantryError, isGantryError, type Origin } from "../base/error.ts";
import { checkLimit, defaultLimits, type Limits } from "../base/limits.ts";
import type { Descriptor } from "../spec/types.ts";
import { type Checkpoint, Checkpoints } from "./checkpoints.ts";
import { type ChunkWriter, WatchedWriter } from "./chunk-writer.ts";
import { iterate } from "./iterate.ts";
import { Verifier } from "./verifier.ts";

/** A stream of unverified bytes, which {@link Content} verifies. Single use. */
export interface Body {
  /** The path of the local file that holds these bytes, if there is one. */
  readonly file?: string | undefined;
  /** Passes every chunk to `write` in order, and waits for each; resolves at the end of the data. */
  pump(write: ChunkWriter, signal?: AbortSignal): Promise<void>;
  /** Releases socket, file and slot. Safe to call again, and while a pump is under way, which then rejects. */
  close(): void | Promise<void>;
}

/** A descriptor to verify content against; its size may be unknown. */
export type Expected = Pick<Descriptor, "digest"> & Partial<Pick<Descriptor, "mediaType" | "size">>;

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

/** Lets a transfer watch its content. */
export interface ContentObserver {
  /** Errors of the content itself, not those of its reader, are marked with this side. */
  readonly origin?: Origin | undefined;
  /** Receives the length of each chunk. */
  readonly onBytes?: ((count: number) => void) | undefined;
}

/**
 * Bytes together with what they are verified against. The final chunk is withheld until size and digest have been
 * proved: a reader that received everything received verified bytes; one that stops early has proved nothing and must
 * not publish. The first byte past the size is an error. Used once: by `pipe`, by iterating, or by `bytes`. Code that
 * opens content and does not use it must close it.
 *
 * Throws DIGEST_MISMATCH, SIZE_MISMATCH, LIMIT_EXCEEDED (unknown size), CONTENT_USED, errors of the body, and the
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

  /** The offset of the first byte in the blob: 0, or that of the checkpoint that the content was opened at. */
  get start(): number {
    return this.#from?.offset ?? 0;
  }

  /** Keeps a checkpoint every few MiB from now on, so that a retry can resume there. */
  keepCheckpoints(): this {
    this.#checkpoints ??= new Checkpoints(this.#from);
    return this;
  }

  /** The last checkpoint at or before `offset`. */
  checkpoint(offset: number): Checkpoint | undefined {
    return this.#checkpoints?.before(offset);
  }

  /** The path of the local file that holds these bytes, if there is one. Its bytes are not verified. */
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
    const { digest, size } = this.descriptor;
    const verifier = new Verifier(digest, size, {
      what: this.what,
      limits: this.#limits,
      from: this.#from,
      checkpoints: this.#checkpoints,
    });
    const { onBytes, origin } = this.#observer;
    const reader = new WatchedWriter(write);
    const pass = (chunk: Uint8Array | undefined): void | Promise<void> => {
      if (!chunk) return;
      onBytes?.(chunk.byteLength);
      return reader.write(chunk);
    };
    try {
      options.signal?.throwIfAborted();
      await this.#body.pump((chunk) => pass(verifier.push(chunk)), options.signal);
      await pass(verifier.end());
    } catch (error) {
      throw origin && !reader.failed && isGantryError(error) ? error.at(origin) : error;
    } finally {
      await this.#body.close();
    }
  }

  /** All bytes, verified. `limit` bounds them. Default: `metadataBytes` of the limits. */
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
  [Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    return iterate(
      (write, signal) => this.pipe(write, { signal }),
      () => new GantryError("TRANSFER_INTERRUPTED", `${this.what}: the reader stopped early`),
      () => this.#body.close(),
    );
  }

  /** Releases the resources of the content, used or not. */
  async cancel(): Promise<void> {
    this.#used = true;
    await this.#body.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.cancel();
  }
}
