import { type GantryError, isGantryError, messageOf } from "../../base/error.ts";
import type { Body, ChunkWriter, Content, Expected } from "../../content/content.ts";
import type { Digest } from "../../spec/digest.ts";
import type { Target } from "./target.ts";

/** The bytes of a blob from one endpoint, and from the next where it breaks off for good. */
export class FailoverBody implements Body {
  #content: Content;
  readonly #rest: Target[];
  readonly #blob: Digest | Expected;
  readonly #warn: (text: string) => void;

  constructor(first: Content, rest: readonly Target[], blob: Digest | Expected, warn: (text: string) => void) {
    this.#content = first;
    this.#rest = [...rest];
    this.#blob = blob;
    this.#warn = warn;
  }

  async pump(write: ChunkWriter, signal?: AbortSignal): Promise<void> {
    const call = signal ? { signal } : {};
    let delivered = this.#content.start;
    for (;;) {
      let skip = delivered - this.#content.start;
      let writerFailed = false;
      const passOn: ChunkWriter = (chunk) => {
        const fresh = skip >= chunk.byteLength ? undefined : chunk.subarray(skip);
        skip = Math.max(0, skip - chunk.byteLength);
        if (!fresh) return;
        delivered += fresh.byteLength;
        const failed = (error: unknown): never => {
          writerFailed = true;
          throw error;
        };
        try {
          return write(fresh)?.catch(failed);
        } catch (error) {
          failed(error);
        }
      };
      try {
        return await this.#content.keepCheckpoints().pipe(passOn, call);
      } catch (error) {
        signal?.throwIfAborted();
        // What was wrong is known only at the end, when it has been passed on: that cannot be taken back.
        if (writerFailed || !isGantryError(error) || isGantryError(error, "DIGEST_MISMATCH")) throw error;
        this.#content = await this.#next(error, delivered, call);
      }
    }
  }

  /** The blob from the next endpoint that has it, and from where it broke off if that is possible. */
  async #next(
    error: GantryError,
    delivered: number,
    call: { readonly signal?: AbortSignal | undefined },
  ): Promise<Content> {
    const from = this.#content.checkpoint(delivered);
    for (let next = this.#rest.shift(); next; next = this.#rest.shift()) {
      const { registry, endpoint } = next;
      this.#warn(`${messageOf(error)}; going on at ${registry.name}`);
      if (endpoint.final) this.#rest.length = 0;
      try {
        return await registry.getBlob(endpoint.repo, this.#blob, { ...call, ...(from && { from }) });
      } catch (refused) {
        call.signal?.throwIfAborted();
        if (!isGantryError(refused)) throw refused;
      }
    }
    throw error;
  }

  async close(): Promise<void> {
    await this.#content.cancel();
  }
}
