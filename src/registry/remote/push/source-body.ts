import { type ChunkWriter, WatchedWriter } from "../../../content/chunk-writer.ts";
import type { HttpRequest } from "../../../transport/message.ts";

/** A request body that remembers a failure of its source, to tell it from a failure of the connection. */
export class SourceBody {
  #failure: { readonly error: unknown } | undefined;
  readonly body: HttpRequest["body"];

  constructor(size: number, pump: (write: ChunkWriter, signal?: AbortSignal) => Promise<void>) {
    this.body = {
      size,
      pump: async (write, signal) => {
        const connection = new WatchedWriter(write);
        try {
          await pump(connection.write, signal);
        } catch (error) {
          if (!connection.failed && !signal?.aborted) this.#failure = { error };
          throw error;
        }
      },
    };
  }

  /** The error of the source, if it has failed. */
  get failure(): { readonly error: unknown } | undefined {
    return this.#failure;
  }
}
