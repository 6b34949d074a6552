import { GantryError, isGantryError } from "../../base/error.ts";
import { Content, type Expected, requireDigest, requireSize } from "../../content/content.ts";
import type { BlobSource } from "../../content/source.ts";
import type { RepoName, Tag } from "../../reference/reference.ts";
import { algorithmOf, type Digest, isDigest, parseDigest } from "../../spec/digest.ts";
import { manifestAccept, mediaTypes } from "../../spec/media-types.ts";
import type { Descriptor } from "../../spec/types.ts";
import type { HttpResponse } from "../../transport/message.ts";
import type { RateLimit } from "../../transport/rate.ts";
import { expectedOf, manifestDigest } from "../expected.ts";
import { rangeInvalid, unsupported } from "../refusals.ts";
import type {
  BlobUpload,
  CallOptions,
  GetBlobOptions,
  PushBlobOptions,
  PushManifestOptions,
  RangeContent,
  Registry,
  StoredManifest,
  UploadSession,
} from "../registry.ts";
import { Api, type MissingCode, type RemoteOptions, signalOf } from "./api.ts";
import { parseContentRange } from "./content-range.ts";
import { ResumingBody, startsAt } from "./download.ts";
import { listReferrers, listRepositories, listTags } from "./listing.ts";
import { getManifest } from "./manifests.ts";
import { type PushTarget, pushBlob } from "./push.ts";
import { startUpload, tryMount } from "./start.ts";
import { RemoteUpload, uploadedBytes, uploadLocation } from "./upload.ts";

export type { RemoteOptions } from "./api.ts";

/** A registry over HTTP (distribution-spec), without cache; anonymous unless it is given credentials. */
export class RemoteRegistry implements Registry {
  readonly name: string;
  readonly #api: Api;
  readonly #options: RemoteOptions;

  /** @param host host with optional port, as in a reference: `docker.io`, `127.0.0.1:5000` */
  constructor(host: string, options: RemoteOptions = {}) {
    this.name = host;
    this.#options = options;
    this.#api = new Api(host, options);
  }

  /** Where its API is; a loopback host is asked, without secrets, whether it speaks http or https. */
  async address(): Promise<URL> {
    return (await this.#api.connect()).url;
  }

  /** Asks whether the registry is there, and accepts who we are. @throws UNAUTHORIZED, DENIED */
  async ping(options: CallOptions = {}): Promise<void> {
    const { url } = await this.#api.connect();
    const asked = `asking ${this.name} who we are to it`;
    const response = await this.#api.send("", { method: "GET", url, ...options }, [200], asked, "NAME_UNKNOWN");
    await response.discard();
  }

  /** What the registry says of its quota, asked by a HEAD, which costs nothing of it; undefined where it says nothing. */
  async rateLimit(repo: RepoName, reference: Tag | Digest, options: CallOptions = {}): Promise<RateLimit | undefined> {
    await this.#headManifest(repo, reference, options);
    return this.#api.transport.rateLimit;
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
      const get = {
        method: "GET",
        url,
        streams: true,
        ...(headers && { headers }),
        signal,
      } as const;
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
      return new Content({ ...expected, ...(size !== undefined && { size }) }, body, {
        what,
        limits: this.#api.transport.limits,
        from,
      });
    } catch (error) {
      await first.body.close();
      throw error;
    }
  }

  async getBlobRange(
    repo: RepoName,
    blob: Expected,
    range: { readonly start: number; readonly end: number },
    options: CallOptions = {},
  ): Promise<RangeContent> {
    const { start, end } = range;
    const what = `blob ${blob.digest} of ${this.name}/${repo}`;
    if (!(start >= 0 && start < end)) throw rangeInvalid(what, start, end, blob.size ?? 0);
    const url = await this.#api.url(repo, `blobs/${blob.digest}`);
    const headers = { range: `bytes=${start}-${end - 1}` };
    const asked = `getting a range of ${what}`;
    const response = await this.#api.pull(
      repo,
      { method: "GET", url, headers, streams: true, ...signalOf(options) },
      asked,
      "BLOB_UNKNOWN",
      [200, 206],
    );
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

  async #headManifest(repo: RepoName, reference: Tag | Digest, options: CallOptions): Promise<HttpResponse> {
    const url = await this.#api.url(repo, `manifests/${reference}`);
    const headers = { accept: manifestAccept.join(", ") };
    const head = { method: "HEAD", url, headers, ...signalOf(options) } as const;
    const asked = `resolving manifest ${reference} of ${this.name}/${repo}`;
    const response = await this.#api.pull(repo, head, asked, "MANIFEST_UNKNOWN");
    await response.discard();
    return response;
  }

  async resolveManifest(repo: RepoName, reference: Tag | Digest, options: CallOptions = {}): Promise<Descriptor> {
    const what = `manifest ${reference} of ${this.name}/${repo}`;
    const response = await this.#headManifest(repo, reference, options);
    const claimed = response.headers["docker-content-digest"];
    const size = contentLength(response);
    const mediaType = response.headers["content-type"]?.split(";")[0]?.trim();
    const said = `${claimed} ${mediaType}`;
    // A HEAD that does not tell everything, or says a secret back, is of no use; the document itself is.
    if (!claimed || size === undefined || !mediaType || response.redact(said) !== said)
      return (await this.getManifest(repo, reference, options)).descriptor;
    const digest = parseDigest(claimed, `the Docker-Content-Digest of ${what}`);
    if (isDigest(reference)) requireDigest(digest, reference, what);
    return { mediaType, digest, size };
  }

  async resolveBlob(repo: RepoName, digest: Digest, options: CallOptions = {}): Promise<Descriptor> {
    const what = `blob ${digest} of ${this.name}/${repo}`;
    const url = await this.#api.url(repo, `blobs/${digest}`);
    const response = await this.#api.pull(
      repo,
      { method: "HEAD", url, ...signalOf(options) },
      `resolving ${what}`,
      "BLOB_UNKNOWN",
    );
    await response.discard();
    const size = contentLength(response);
    if (size === undefined) throw new GantryError("INVALID_RESPONSE", `${what}: ${this.name} did not tell its size`);
    return { mediaType: mediaTypes.octetStream, digest, size };
  }

  async pushBlob(
    repo: RepoName,
    descriptor: Descriptor,
    source: BlobSource,
    options: PushBlobOptions = {},
  ): Promise<Descriptor> {
    const { uploads } = this.#options;
    algorithmOf(descriptor.digest);
    const { mountFrom } = options;
    const call = signalOf(options);
    const mount = mountFrom !== undefined && mountFrom !== repo && { digest: descriptor.digest, from: mountFrom };
    let opened = mount ? await tryMount(this.#api, repo, mount, call) : undefined;
    if (opened?.status === 201) return descriptor;
    const api = this.#api;
    const { url } = await api.connect();
    const asked = `pushing blob ${descriptor.digest} to ${this.name}/${repo}`;
    const target: PushTarget = {
      name: this.name,
      repo,
      transport: this.#api.transport,
      exchange: this.#api.push(repo, "BLOB_UPLOAD_UNKNOWN"),
      ...(uploads && { memory: { uploads, key: `${url.origin} ${repo} ${descriptor.digest}` } }),
      async start(call) {
        const started = opened;
        opened = undefined;
        return started ?? startUpload(api, repo, asked, call);
      },
      has: async ({ digest, size }, call) => {
        const found = await this.resolveBlob(repo, digest, call).catch(() => undefined);
        return found?.size === size;
      },
    };
    await pushBlob(target, descriptor, source, call);
    // An earlier upload was gone on with.
    if (opened)
      await this.#uploadAt(repo, opened, asked)
        .cancel()
        .catch(() => {});
    return descriptor;
  }

  async openUpload(
    repo: RepoName,
    options: CallOptions & { readonly session?: UploadSession | undefined } = {},
  ): Promise<BlobUpload> {
    const { session, ...call } = options;
    const what = `the upload to ${this.name}/${repo}`;
    const exchange = this.#api.push(repo, "BLOB_UPLOAD_UNKNOWN");
    if (session) {
      const { url } = await this.#api.connect();
      const location = new URL(session.location, url);
      if (location.origin !== url.origin || session.repo !== repo) {
        throw new GantryError(
          "BLOB_UPLOAD_UNKNOWN",
          `${what}: the saved session belongs to another registry or repository`,
        );
      }
      const response = await exchange({ method: "GET", url: location, ...signalOf(call) }, [204], `resuming ${what}`);
      await response.discard();
      const next = response.headers["location"] ? uploadLocation(response) : location;
      return new RemoteUpload(repo, next, uploadedBytes(response) ?? 0, exchange, what);
    }
    const response = await startUpload(this.#api, repo, `starting ${what}`, call);
    await response.discard();
    return this.#uploadAt(repo, response, what);
  }

  /** The upload that an answer has opened. */
  #uploadAt(repo: RepoName, response: HttpResponse, what: string): RemoteUpload {
    return new RemoteUpload(repo, uploadLocation(response), 0, this.#api.push(repo, "BLOB_UPLOAD_UNKNOWN"), what);
  }

  async mountBlob(from: RepoName, to: RepoName, digest: Digest, options: CallOptions = {}): Promise<Descriptor> {
    algorithmOf(digest);
    const what = `blob ${digest} from ${from} in ${this.name}/${to}`;
    if (from === to) return this.resolveBlob(to, digest, options);
    const response = await startUpload(this.#api, to, `mounting ${what}`, options, { digest, from });
    await response.discard();
    if (response.status === 201) return this.resolveBlob(to, digest, options);
    // 202: an upload was opened instead, which nothing here will finish.
    await this.#uploadAt(to, response, what)
      .cancel()
      .catch(() => {});
    throw unsupported(this.name, `mounting ${what}`);
  }

  async pushManifest(
    repo: RepoName,
    bytes: Uint8Array,
    mediaType: string,
    options: PushManifestOptions = {},
  ): Promise<Descriptor> {
    const digest = manifestDigest(bytes, options);
    const { tags } = options;
    // By a digest of another algorithm the registry learns it only when it is asked by it.
    const byDigest = options.digest && algorithmOf(options.digest) !== "sha256" ? [digest] : [];
    for (const reference of tags?.length ? [...byDigest, ...tags] : [digest]) {
      const url = await this.#api.url(repo, `manifests/${reference}`);
      const response = await this.#api.push(repo, "NAME_UNKNOWN")(
        {
          method: "PUT",
          url,
          headers: { "content-type": mediaType },
          body: bytes,
          repeatable: true,
          ...signalOf(options),
        },
        [201],
        `pushing manifest ${reference} to ${this.name}/${repo}`,
      );
      await response.discard();
    }
    return { mediaType, digest, size: bytes.byteLength };
  }

  async #delete(repo: RepoName, path: string, missing: MissingCode, options: CallOptions): Promise<void> {
    const url = await this.#api.url(repo, path);
    const asked = `deleting ${path} of ${this.name}/${repo}`;
    const request = { method: "DELETE", url, ...signalOf(options) } as const;
    const response = await this.#api.send(`repository:${repo}:delete`, request, [200, 202, 204], asked, missing);
    await response.discard();
  }

  async deleteBlob(repo: RepoName, digest: Digest, options: CallOptions = {}): Promise<void> {
    await this.#delete(repo, `blobs/${digest}`, "BLOB_UNKNOWN", options);
  }

  async deleteManifest(repo: RepoName, digest: Digest, options: CallOptions = {}): Promise<void> {
    await this.#delete(repo, `manifests/${digest}`, "MANIFEST_UNKNOWN", options);
  }

  async deleteTag(repo: RepoName, tag: Tag, options: CallOptions = {}): Promise<void> {
    try {
      await this.#delete(repo, `manifests/${tag}`, "MANIFEST_UNKNOWN", options);
    } catch (error) {
      // What docker-registry says to a tag where it wants a digest.
      if (!isGantryError(error, "DIGEST_MISMATCH", "MANIFEST_INVALID")) throw error;
      throw unsupported(this.name, "deleting tags");
    }
  }

  repositories(options: CallOptions = {}): AsyncGenerator<RepoName> {
    return listRepositories(this.#api, options);
  }

  tags(repo: RepoName, options: CallOptions = {}): AsyncGenerator<Tag> {
    return listTags(this.#api, repo, options);
  }

  referrers(
    repo: RepoName,
    digest: Digest,
    options: CallOptions & { readonly artifactType?: string | undefined } = {},
  ): AsyncGenerator<Descriptor> {
    return listReferrers(this.#api, repo, digest, options);
  }

  /**
   * Ends what this client has under way. What other clients do over the same connections goes on; the last one closes
   * them.
   * @param options keepIdle: leave idle connections open for a moment, for the next client
   */
  async close(options: { readonly keepIdle?: boolean | undefined } = {}): Promise<void> {
    await this.#api.transport.close(options);
  }
}

/** The size of the blob that a response is of, or a part of. */
function wholeSize(response: HttpResponse): number | undefined {
  if (response.status !== 206) return contentLength(response);
  return parseContentRange(response.headers["content-range"])?.whole;
}

function contentLength(response: HttpResponse): number | undefined {
  const value = response.headers["content-length"];
  return value !== undefined && /^\d+$/.test(value) ? Number(value) : undefined;
}
