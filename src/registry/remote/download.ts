import { GantryError, isGantryError, messageOf } from "../../base/error.ts";
import type { Body, ChunkWriter } from "../../content/content.ts";
import type { HttpResponse, Transport } from "../../transport/transport.ts";

/** Asks for a blob from `offset` on. */
export type BlobRequest = (offset: number, signal?: AbortSignal) => Promise<HttpResponse>;

/** Bytes that a connection must bring to count as progress: a server that trickles must not hold us for ever. */
const MIN_PROGRESS = 64 << 10;
/** Breaks in a row, without progress between them, before giving up. */
const MAX_STALLED = 3;
/** Times that a server may answer a Range request with the whole blob: each costs all bytes so far once more. */
const MAX_RESTARTS = 3;

/**
 * The bytes of a remote blob as one body: a connection that breaks is taken up again where it ended (RFC 9110 section
 * 14), or from the start, passing over what was delivered, where the server does not know ranges.
 */
export class ResumingBody implements Body {
  #response: HttpResponse | undefined;
  readonly #request: BlobRequest;
  readonly #transport: Transport;
  readonly #what: string;
  readonly #stop = new AbortController();

  constructor(first: HttpResponse, request: BlobRequest, transport: Transport, what: string) {
    this.#response = first;
    this.#request = request;
    this.#transport = transport;
    this.#what = what;
  }

  async pump(write: ChunkWriter, signal?: AbortSignal): Promise<void> {
    const linked = signal ? AbortSignal.any([signal, this.#stop.signal]) : this.#stop.signal;
    let delivered = 0;
    let stalled = 0;
    let restarts = 0;
    let skip = 0;
    for (;;) {
      const before = delivered;
      try {
        this.#response ??= await this.#request(delivered, linked);
        if (before > 0) {
          skip = this.#resumedAt(this.#response, delivered);
          if (skip > 0) restarts += 1;
        }
        await this.#response.body.pump((chunk) => {
          const fresh = skip >= chunk.byteLength ? undefined : chunk.subarray(skip);
          skip = Math.max(0, skip - chunk.byteLength);
          if (!fresh) return;
          delivered += fresh.byteLength;
          return write(fresh);
        }, linked);
        return;
      } catch (error) {
        await this.#response?.body.close();
        this.#response = undefined;
        linked.throwIfAborted();
        if (!isGantryError(error, "TRANSFER_INTERRUPTED", "CONNECTION_FAILED", "TIMEOUT")) throw error;
        stalled = delivered - before >= MIN_PROGRESS ? 1 : stalled + 1;
        if (stalled >= MAX_STALLED || restarts >= MAX_RESTARTS) {
          throw new GantryError(
            "TRANSFER_INTERRUPTED",
            `${this.#what}: the connection broke after ${delivered} bytes and ${stalled} more tries brought nothing (${messageOf(error)}); nothing was kept, try again`,
            { cause: error, details: { delivered } },
          );
        }
        await this.#transport.pauseBeforeRetry(stalled, `${this.#what} broke after ${delivered} bytes`, linked);
      }
    }
  }

  /** How many bytes of a resumed response were delivered before; it must start at `offset`, or at the beginning. */
  #resumedAt(response: HttpResponse, offset: number): number {
    if (response.status === 200) return offset;
    const range = /^bytes (\d+)-\d+\/(?:\d+|\*)$/.exec(response.headers["content-range"] ?? "");
    if (response.status === 206 && range && Number(range[1]) === offset) return 0;
    throw new GantryError(
      "INVALID_RESPONSE",
      `${this.#what}: asked for bytes from ${offset} on, ${response.url.host} answered ${response.status} with Content-Range ${JSON.stringify(response.headers["content-range"] ?? "absent")}`,
    );
  }

  async close(): Promise<void> {
    this.#stop.abort(new GantryError("TRANSFER_INTERRUPTED", `${this.#what}: closed by its reader`));
    await this.#response?.body.close();
  }
}
