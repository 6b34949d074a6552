import { withoutUndefined } from "../../../base/defined.ts";
import { isGantryError } from "../../../base/error.ts";
import { mediaTypes } from "../../../spec/media-types.ts";
import type { Descriptor } from "../../../spec/types.ts";
import { uploadedBytes, uploadLocation } from "../upload.ts";
import type { UploadProgress } from "./after-failure.ts";
import { statusOf } from "./failure.ts";
import { SourceBody } from "./source-body.ts";
import type { SourceCursor } from "./source-cursor.ts";
import { type PushTarget, patienceFor } from "./target.ts";

/** The bytes that an upload has received, and the URL for its next request. */
export interface UploadPosition {
  readonly location: URL;
  readonly offset: number;
}

/** The source failed; the registry and the connection did not. */
export class SourceFailed extends Error {
  constructor(cause: unknown) {
    super("the source failed", { cause });
  }
}

/** The requests of one upload: POST, PATCH, GET for its status, PUT. @see distribution-spec, "Pushing a blob in chunks" */
export class UploadRequests {
  readonly #target: PushTarget;
  readonly #blob: Descriptor;
  readonly #cursor: SourceCursor;
  readonly #what: string;
  readonly #signal: AbortSignal | undefined;

  constructor(
    target: PushTarget,
    blob: Descriptor,
    cursor: SourceCursor,
    options: { readonly what: string; readonly signal: AbortSignal | undefined },
  ) {
    this.#target = target;
    this.#blob = blob;
    this.#cursor = cursor;
    this.#what = options.what;
    this.#signal = options.signal;
  }

  /** Starts the upload. @returns its URL, and the smallest chunk that the registry takes, where it names one */
  async start(): Promise<{ readonly location: URL; readonly minChunk: number | undefined }> {
    const response = await this.#target.start({ signal: this.#signal });
    await response.discard();
    const least = response.headers["oci-chunk-min-length"];
    const minChunk = least && /^\d{1,12}$/.test(least) ? Number(least) : undefined;
    return { location: uploadLocation(response), minChunk };
  }

  /** Sends the rest of the blob, or a chunk of it. @throws SourceFailed */
  async send(url: URL, { offset, size: whole, chunk, minChunk }: UploadProgress): Promise<UploadPosition> {
    const left = whole - offset;
    const size = chunk === undefined ? left : Math.min(left, Math.max(chunk, minChunk));
    const toEnd = size === left;
    const headers = withoutUndefined({
      "content-type": mediaTypes.octetStream,
      // Some registries do not expect a range where the whole blob is sent in one request.
      "content-range": size < whole ? `${offset}-${offset + size - 1}` : undefined,
      // A proxy may close a connection after a number of bytes, so each chunk gets a connection of its own.
      connection: chunk === undefined ? undefined : "close",
    });
    try {
      await this.#cursor.seek(offset, toEnd);
    } catch (error) {
      throw new SourceFailed(error);
    }
    const sending = new SourceBody(size, (write, signal) => this.#cursor.pump(offset, size, write, signal));
    try {
      const patch = { method: "PATCH", url, headers, body: sending.body, signal: this.#signal } as const;
      const response = await this.#target.exchange(patch, [201, 202, 204], `pushing ${this.#what}`);
      await response.discard();
      if (toEnd) await this.#cursor.close();
      // The Range of the answer is not used: some registries report a wrong one, and all of them check the digest.
      const location = response.headers["location"] ? uploadLocation(response) : url;
      return { location, offset: offset + size };
    } catch (error) {
      // Read before the source is closed: closing makes a running pump fail too.
      const { failure } = sending;
      await this.#cursor.close();
      throw failure ? new SourceFailed(failure.error) : error;
    }
  }

  /** Asks how many bytes the registry has. @returns undefined where it does not tell, or does not know the upload */
  async status(url: URL): Promise<UploadPosition | undefined> {
    try {
      const get = { method: "GET", url, signal: this.#signal } as const;
      const response = await this.#target.exchange(get, [200, 202, 204], `asking how far ${this.#what} has got`);
      await response.discard();
      const said = uploadedBytes(response);
      // A registry without any bytes also reports 0-0.
      const offset = said === 1 ? 0 : said;
      if (offset === undefined || offset > this.#blob.size) return undefined;
      return { location: response.headers["location"] ? uploadLocation(response) : url, offset };
    } catch (error) {
      this.#signal?.throwIfAborted();
      const status = statusOf(error);
      if (!isGantryError(error) || status === undefined || status >= 500) throw error;
      return undefined;
    }
  }

  async commit(location: URL): Promise<void> {
    const url = new URL(location);
    url.searchParams.set("digest", this.#blob.digest);
    const put = {
      method: "PUT",
      url,
      body: Buffer.alloc(0),
      patience: patienceFor(this.#blob),
      signal: this.#signal,
    } as const;
    await (await this.#target.exchange(put, [201, 204], `committing ${this.#what}`)).discard();
  }
}
