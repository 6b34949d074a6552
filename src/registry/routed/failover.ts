import { type GantryError, isGantryError, messageOf } from "../../base/error.ts";
import { type ChunkWriter, WatchedWriter } from "../../content/chunk-writer.ts";
import type { Body, Content, Expected } from "../../content/content.ts";
import { skipping } from "../../content/skip.ts";
import type { Digest } from "../../spec/digest.ts";
import type { Target } from "./targets.ts";

/** The bytes of a blob from one endpoint. Where that endpoint fails for good, the next one continues. */
export class FailoverBody implements Body {
  #content: Content;
  readonly #rest: Target[];
  readonly #blob: Digest | Expected;
  readonly #warn: (text: string) => void;

  /** @param rest the endpoints to resume at, in their order */
  constructor(first: Content, rest: readonly Target[], blob: Digest | Expected, warn: (text: string) => void) {
    this.#content = first;
    this.#rest = [...rest];
    this.#blob = blob;
    this.#warn = warn;
  }

  async pump(write: ChunkWriter, signal?: AbortSignal): Promise<void> {
    let delivered = this.#content.start;
    const reader = new WatchedWriter(write);
    const deliver: ChunkWriter = (chunk) => {
      delivered += chunk.byteLength;
      return reader.write(chunk);
    };
    for (;;) {
      const fresh = skipping(delivered - this.#content.start, deliver);
      try {
        return await this.#content.keepCheckpoints().pipe(fresh, { signal });
      } catch (error) {
        signal?.throwIfAborted();
        // A wrong digest is known only at the end, when the bytes have been delivered and cannot be replaced.
        if (reader.failed || !isGantryError(error) || isGantryError(error, "DIGEST_MISMATCH")) throw error;
        this.#content = await this.#next(error, delivered, signal);
      }
    }
  }

  /** The blob from the next endpoint that has it, resumed where possible. */
  async #next(error: GantryError, delivered: number, signal: AbortSignal | undefined): Promise<Content> {
    const from = this.#content.checkpoint(delivered);
    for (let next = this.#rest.shift(); next; next = this.#rest.shift()) {
      const { registry, endpoint } = next;
      this.#warn(`${messageOf(error)}; resuming at ${registry.name}`);
      if (endpoint.final) this.#rest.length = 0;
      try {
        return await registry.getBlob(endpoint.repo, this.#blob, { signal, from });
      } catch (refused) {
        signal?.throwIfAborted();
        if (!isGantryError(refused)) throw refused;
      }
    }
    throw error;
  }

  async close(): Promise<void> {
    await this.#content.cancel();
  }
}
