import { withoutUndefined } from "../../base/defined.ts";
import { GantryError, isGantryError } from "../../base/error.ts";
import type { Body } from "../../content/content.ts";
import type { RepoName } from "../../reference/reference.ts";
import { algorithmOf, type Digest } from "../../spec/digest.ts";
import { mediaTypes } from "../../spec/media-types.ts";
import type { Descriptor } from "../../spec/types.ts";
import type { HttpRequest, HttpResponse } from "../../transport/message.ts";
import { nextHop } from "../../transport/redirect.ts";
import type { BlobUpload, CallOptions, UploadSession } from "../registry.ts";
import type { Exchange } from "./api.ts";

/** The URL for the next request of an upload: the Location of the last answer, relative or absolute, within the rules for redirects. */
export function uploadLocation(response: HttpResponse): URL {
  const location = response.headers["location"];
  try {
    return nextHop(response.url, location, response);
  } catch (error) {
    // A registry behind a proxy may name its inner host; the path is right.
    const path = /^https?:\/\/[^/]+(\/v2\/.*\/blobs\/uploads\/.+)$/.exec(location ?? "")?.[1];
    if (path && isGantryError(error, "REDIRECT_REFUSED")) return new URL(path, response.url);
    throw error;
  }
}

/** The bytes that the registry has received, from the Range header of an answer (`0-1023` are 1,024 bytes). */
export function uploadedBytes(response: HttpResponse): number | undefined {
  const match = /^(?:bytes=)?0-(\d{1,15})$/.exec(response.headers["range"] ?? "");
  return match ? Number(match[1]) + 1 : undefined;
}

/** distribution-spec, "Pushing a blob in chunks": POST, a streamed PATCH for each append, PUT. */
export class RemoteUpload implements BlobUpload {
  readonly #repo: RepoName;
  readonly #exchange: Exchange;
  readonly #what: string;
  #location: URL;
  #offset: number;

  constructor(repo: RepoName, location: URL, offset: number, exchange: Exchange, what: string) {
    this.#repo = repo;
    this.#location = location;
    this.#offset = offset;
    this.#exchange = exchange;
    this.#what = what;
  }

  get session(): UploadSession {
    return { repo: this.#repo, location: this.#location.href };
  }

  get offset(): number {
    return this.#offset;
  }

  async append(body: Body, options: CallOptions & { readonly size?: number | undefined } = {}): Promise<void> {
    const start = this.#offset;
    let sent = 0;
    const counting: HttpRequest["body"] = {
      size: options.size,
      pump: (write, signal) =>
        body.pump((chunk) => {
          sent += chunk.byteLength;
          return write(chunk);
        }, signal),
    };
    const headers = withoutUndefined({
      "content-type": mediaTypes.octetStream,
      "content-range": options.size ? `${start}-${start + options.size - 1}` : undefined,
    });
    const { signal } = options;
    const patch = { method: "PATCH", url: this.#location, headers, body: counting, signal } as const;
    const response = await this.#exchange(patch, [202], `appending to ${this.#what}`);
    const received = uploadedBytes(response);
    await response.discard();
    if (received !== undefined && sent > 0 && received !== start + sent) {
      throw new GantryError(
        "INVALID_RESPONSE",
        `${this.#what}: ${sent} bytes were sent after ${start}, but ${response.redact(response.url.host)} reports ${received} in all`,
      );
    }
    this.#offset = start + sent;
    this.#location = uploadLocation(response);
  }

  async commit(digest: Digest, options: CallOptions = {}): Promise<Descriptor> {
    const url = new URL(this.#location);
    algorithmOf(digest);
    url.searchParams.set("digest", digest);
    const response = await this.#exchange(
      { method: "PUT", url, body: Buffer.alloc(0), signal: options.signal },
      [201],
      `committing ${this.#what} as ${digest}`,
    );
    await response.discard();
    return { mediaType: mediaTypes.octetStream, digest, size: this.#offset };
  }

  async cancel(): Promise<void> {
    const response = await this.#exchange(
      { method: "DELETE", url: this.#location },
      [200, 202, 204, 404, 405],
      `cancelling ${this.#what}`,
    );
    await response.discard();
  }
}
