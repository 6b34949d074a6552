import { isGantryError, messageOf } from "../../base/error.ts";
import type { Body, ChunkWriter, Content, Expected } from "../../content/content.ts";
import type { Digest } from "../../spec/digest.ts";
import type { Target } from "./routed.ts";

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
        const next = this.#rest.shift();
        // What was wrong is known only at the end, when it has been passed on: that cannot be taken back.
        if (writerFailed || !next || !isGantryError(error) || isGantryError(error, "DIGEST_MISMATCH")) throw error;
        this.#warn(`${messageOf(error)}; going on at ${next.registry.name}`);
        const from = this.#content.checkpoint(delivered);
        this.#content = await next.registry.getBlob(next.endpoint.repo, this.#blob, { ...call, ...(from && { from }) });
      }
    }
  }

  async close(): Promise<void> {
    await this.#content.cancel();
  }
}
