/** Takes a chunk that is lent: once the call has returned, or its promise is resolved, the chunk may be overwritten. */
export type ChunkWriter = (chunk: Uint8Array) => void | Promise<void>;

/** Wraps a writer and remembers whether it failed, so that its failures can be told from those of the source. */
export class WatchedWriter {
  #failed = false;
  readonly write: ChunkWriter;

  constructor(write: ChunkWriter) {
    const fail = (error: unknown): never => {
      this.#failed = true;
      throw error;
    };
    this.write = (chunk) => {
      try {
        return write(chunk)?.catch(fail);
      } catch (error) {
        return fail(error);
      }
    };
  }

  get failed(): boolean {
    return this.#failed;
  }
}
