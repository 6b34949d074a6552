import { GantryError, isGantryError, messageOf } from "../../base/error.ts";
import type { ChunkWriter } from "../../content/chunk-writer.ts";
import type { Body } from "../../content/content.ts";
import { skipping } from "../../content/skip.ts";
import type { HttpResponse } from "../../transport/message.ts";
import { isClosed, type Transport } from "../../transport/transport.ts";
import { parseContentRange } from "./content-range.ts";

/** Requests a blob from `offset` on. */
export type BlobRequest = (offset: number, signal?: AbortSignal) => Promise<HttpResponse>;

/** Bytes that a connection must deliver to count as progress: breaks after a few bytes must not repeat for ever. */
const MIN_PROGRESS = 64 << 10;
/** The fewest bytes of an answer with only a part of the requested range. Fewer count as a broken connection. */
const MIN_RANGE = 16 << 10;
/** Broken connections in a row, without progress between them, after which a download fails. */
const MAX_STALLED = 3;
/** Answers with the whole blob after which a download fails: each transfers the delivered bytes again. */
const MAX_RESTARTS = 3;

/**
 * The bytes of a remote blob as one body. After a broken connection it requests the missing bytes (RFC 9110 section
 * 14). Where the server does not support ranges, it requests the whole blob and skips the bytes that were delivered.
 */
export class ResumingBody implements Body {
  #response: HttpResponse | undefined;
  readonly #request: BlobRequest;
  readonly #transport: Transport;
  readonly #what: string;
  readonly #offset: number;
  readonly #size: number | undefined;
  readonly #stop = new AbortController();

  /** @param blob offset: where `first` begins; size: of the whole blob, where it is known */
  constructor(
    first: HttpResponse,
    request: BlobRequest,
    transport: Transport,
    blob: { readonly what: string; readonly offset?: number | undefined; readonly size?: number | undefined },
  ) {
    this.#response = first;
    this.#request = request;
    this.#transport = transport;
    this.#what = blob.what;
    this.#offset = blob.offset ?? 0;
    this.#size = blob.size;
  }

  async pump(write: ChunkWriter, signal?: AbortSignal): Promise<void> {
    const linked = signal ? AbortSignal.any([signal, this.#stop.signal]) : this.#stop.signal;
    let delivered = this.#offset;
    let stalled = 0;
    let restarts = 0;
    let skip = 0;
    let ranges = true;
    for (;;) {
      const before = delivered;
      try {
        if (!this.#response) {
          this.#response = await this.#request(ranges ? delivered : 0, linked);
          skip = delivered > 0 && !startsAt(this.#response, delivered, this.#size, this.#what) ? delivered : 0;
          if (skip > 0) restarts += 1;
        }
        const deliver: ChunkWriter = (chunk) => {
          delivered += chunk.byteLength;
          return write(chunk);
        };
        await this.#response.body.pump(skipping(skip, deliver), linked);
        const more = this.#response?.status === 206 && this.#size !== undefined && delivered < this.#size;
        if (!more) return;
        // A server may send only a part of the range. The rest is requested, unless the part is tiny.
        if (delivered - before < MIN_RANGE) {
          throw new GantryError(
            "TRANSFER_INTERRUPTED",
            `${this.#what}: only ${delivered - before} bytes of the range came`,
          );
        }
        this.#response = undefined;
      } catch (error) {
        await this.#response?.body.close();
        this.#response = undefined;
        linked.throwIfAborted();
        if (isClosed(error)) throw error;
        // A server that answers ranges wrongly may still send the whole blob.
        const refused = isGantryError(error, "RANGE_INVALID", "INVALID_RESPONSE", "REGISTRY_ERROR");
        if (ranges && delivered > 0 && refused && !(Number(error.details["status"]) >= 500)) {
          ranges = false;
          this.#transport.warn(`${error.message}; asking for the whole blob`);
          continue;
        }
        if (!isGantryError(error, "TRANSFER_INTERRUPTED", "CONNECTION_FAILED", "TIMEOUT")) throw error;
        stalled = delivered - before >= MIN_PROGRESS ? 1 : stalled + 1;
        if (stalled >= MAX_STALLED || restarts >= MAX_RESTARTS) {
          throw new GantryError(
            "TRANSFER_INTERRUPTED",
            `${this.#what}: the connection broke too often, the last time after ${delivered} bytes (${messageOf(error)}); try again: a store resumes its partial download`,
            { cause: error, details: { delivered } },
          );
        }
        await this.#transport.pauseBeforeRetry(stalled, `${this.#what} broke after ${delivered} bytes`, linked);
      }
    }
  }

  async close(): Promise<void> {
    this.#stop.abort(new GantryError("TRANSFER_INTERRUPTED", `${this.#what}: closed by its reader`));
    await this.#response?.body.close();
  }
}

/**
 * Whether the response to a Range request starts at `offset`; false where it has the whole blob.
 * @throws INVALID_RESPONSE for any other range, or a range of a blob of another size (RFC 9110 section 14.4)
 */
export function startsAt(response: HttpResponse, offset: number, size: number | undefined, what: string): boolean {
  if (response.status === 200) return false;
  const range = parseContentRange(response.headers["content-range"]);
  const right = range?.first === offset && range.last >= offset;
  const sameWhole = range?.whole === undefined || size === undefined || range.whole === size;
  if (response.status === 206 && right && sameWhole) return true;
  throw new GantryError(
    "INVALID_RESPONSE",
    `${what}: asked for bytes from ${offset} on, ${response.redact(response.url.host)} answered ${response.status} with Content-Range ${JSON.stringify(response.redact(response.headers["content-range"] ?? "absent").slice(0, 100))}`,
  );
}
