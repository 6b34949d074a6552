import { GantryError } from "../../base/error.ts";
import { Content, type Expected } from "../../content/content.ts";
import { requireDigest, requireSize } from "../../content/verifier.ts";
import type { RepoName, Tag } from "../../reference/reference.ts";
import { type Digest, isDigest, parseDigest } from "../../spec/digest.ts";
import { manifestAccept, mediaTypes } from "../../spec/media-types.ts";
import type { Descriptor } from "../../spec/types.ts";
import type { HttpResponse } from "../../transport/message.ts";
import { expectedOf } from "../expected.ts";
import { rangeInvalid, unsupported } from "../refusals.ts";
import type {
  ByteRange,
  CallOptions,
  GetBlobOptions,
  RangeContent,
  RegistryReader,
  StoredManifest,
} from "../registry.ts";
import type { Api } from "./api.ts";
import { parseContentRange } from "./content-range.ts";
import { ResumingBody, startsAt } from "./download.ts";
import { contentType, getManifest } from "./manifests.ts";

/** Reads manifests and blobs over HTTP. */
export class RemoteReader implements RegistryReader {
  readonly name: string;
  readonly #api: Api;

  constructor(api: Api) {
    this.name = api.name;
    this.#api = api;
  }

  getManifest(repo: RepoName, reference: Tag | Digest, options: CallOptions = {}): Promise<StoredManifest> {
    return getManifest(this.#api, repo, reference, options);
  }

  async getBlob(repo: RepoName, blob: Digest | Expected, options: GetBlobOptions = {}): Promise<Content> {
    const expected = expectedOf(blob);
    const what = `blob ${expected.digest} of ${this.name}/${repo}`;
    const url = await this.#api.url(repo, `blobs/${expected.digest}`);
    const request = async (offset: number, signal?: AbortSignal): Promise<HttpResponse> => {
      const headers = offset > 0 ? { range: `bytes=${offset}-` } : undefined;
      const get = { method: "GET", url, streams: true, headers, signal } as const;
      return this.#api.pull(repo, get, `getting ${what}`, "BLOB_UNKNOWN", offset > 0 ? [200, 206] : [200]);
    };
    const asked = options.from?.offset ?? 0;
    const first = await request(asked, options.signal);
    try {
      const from = asked > 0 && startsAt(first, asked, expected.size, what) ? options.from : undefined;
      const offset = from?.offset ?? 0;
      const declared = wholeSize(first);
      if (declared !== undefined && expected.size !== undefined) requireSize(declared, expected.size, what);
      const size = expected.size ?? declared;
      const body = new ResumingBody(first, request, this.#api.transport, { what, offset, size });
      const sized = size === undefined ? expected : { ...expected, size };
      return new Content(sized, body, { what, limits: this.#api.transport.limits, from });
    } catch (error) {
      await first.body.close();
      throw error;
    }
  }

  async getBlobRange(
    repo: RepoName,
    blob: Expected,
    { start, end }: ByteRange,
    { signal }: CallOptions = {},
  ): Promise<RangeContent> {
    const what = `blob ${blob.digest} of ${this.name}/${repo}`;
    if (!(start >= 0 && start < end)) throw rangeInvalid(what, start, end, blob.size ?? 0);
    const url = await this.#api.url(repo, `blobs/${blob.digest}`);
    const headers = { range: `bytes=${start}-${end - 1}` };
    const get = { method: "GET", url, headers, streams: true, signal } as const;
    const asked = `getting a range of ${what}`;
    const response = await this.#api.pull(repo, get, asked, "BLOB_UNKNOWN", [200, 206]);
    const sent = response.status === 206 ? parseContentRange(response.headers["content-range"]) : undefined;
    if (sent?.first === start && sent.last === end - 1) {
      const { body } = response;
      return { start, end, pump: (write, signal) => body.pump(write, signal), close: () => body.close() };
    }
    await response.body.close();
    if (response.status === 206) {
      throw new GantryError(
        "INVALID_RESPONSE",
        `${asked}: ${this.name} answered with another range than ${headers.range}`,
      );
    }
    throw unsupported(this.name, "ranges of blobs");
  }

  async resolveManifest(repo: RepoName, reference: Tag | Digest, options: CallOptions = {}): Promise<Descriptor> {
    const what = `manifest ${reference} of ${this.name}/${repo}`;
    const response = await this.headManifest(repo, reference, options);
    const claimed = response.headers["docker-content-digest"];
    const size = contentLength(response);
    const mediaType = contentType(response);
    const said = `${claimed} ${mediaType}`;
    // Where the answer to HEAD lacks a header or repeats a secret, the manifest itself is fetched.
    if (!claimed || size === undefined || !mediaType || response.redact(said) !== said) {
      return (await this.getManifest(repo, reference, options)).descriptor;
    }
    const digest = parseDigest(claimed, `the Docker-Content-Digest of ${what}`);
    if (isDigest(reference)) requireDigest(digest, reference, what);
    return { mediaType, digest, size };
  }

  /** The answer to HEAD, without its body. @throws MANIFEST_UNKNOWN */
  async headManifest(repo: RepoName, reference: Tag | Digest, { signal }: CallOptions): Promise<HttpResponse> {
    const url = await this.#api.url(repo, `manifests/${reference}`);
    const head = { method: "HEAD", url, headers: { accept: manifestAccept.join(", ") }, signal } as const;
    const asked = `resolving manifest ${reference} of ${this.name}/${repo}`;
    const response = await this.#api.pull(repo, head, asked, "MANIFEST_UNKNOWN");
    await response.discard();
    return response;
  }

  async resolveBlob(repo: RepoName, digest: Digest, { signal }: CallOptions = {}): Promise<Descriptor> {
    const what = `blob ${digest} of ${this.name}/${repo}`;
    const url = await this.#api.url(repo, `blobs/${digest}`);
    const response = await this.#api.pull(repo, { method: "HEAD", url, signal }, `resolving ${what}`, "BLOB_UNKNOWN");
    await response.discard();
    const size = contentLength(response);
    if (size === undefined) throw new GantryError("INVALID_RESPONSE", `${what}: ${this.name} did not tell its size`);
    return { mediaType: mediaTypes.octetStream, digest, size };
  }
}

/** The size of the whole blob, from a response with all or a part of it. */
function wholeSize(response: HttpResponse): number | undefined {
  if (response.status !== 206) return contentLength(response);
  return parseContentRange(response.headers["content-range"])?.whole;
}

function contentLength(response: HttpResponse): number | undefined {
  const value = response.headers["content-length"];
  return value !== undefined && /^\d+$/.test(value) ? Number(value) : undefined;
}
