import { GantryError, isGantryError } from "../../base/error.ts";
import { checkLimit } from "../../base/limits.ts";
import { Content, type Expected, requireDigest, requireSize } from "../../content/content.ts";
import type { BlobSource } from "../../content/source.ts";
import { apiHost, isTag, parseRepoName, type RepoName, type Tag } from "../../reference/reference.ts";
import { decodeDescriptor, decodeDocument } from "../../spec/decode.ts";
import { algorithmOf, type Digest, digestOf, isDigest, parseDigest } from "../../spec/digest.ts";
import { manifestAccept, mediaTypes } from "../../spec/media-types.ts";
import { summarizeManifest } from "../../spec/sniff.ts";
import type { Descriptor } from "../../spec/types.ts";
import { isLoopback } from "../../transport/addresses.ts";
import { hubRate, type Rate, type RateLimit, RateLimiter } from "../../transport/rate.ts";
import { type HttpRequest, type HttpResponse, Transport, type TransportOptions } from "../../transport/transport.ts";
import {
  type BlobUpload,
  type CallOptions,
  expectedOf,
  type GetBlobOptions,
  manifestDigest,
  type PushManifestOptions,
  type RangeContent,
  type Registry,
  rangeInvalid,
  type StoredManifest,
  type UploadSession,
  unsupported,
} from "../registry.ts";
import { Authenticator, type AuthenticatorOptions } from "./auth.ts";
import { ResumingBody, startsAt } from "./download.ts";
import { responseError } from "./errors.ts";
import { pages } from "./pages.ts";
import { type PushTarget, pushBlob } from "./push.ts";
import type { UploadMemory } from "./sessions.ts";
import { type Exchange, RemoteUpload, uploadedBytes, uploadLocation } from "./upload.ts";

export interface RemoteOptions extends Omit<TransportOptions, "home">, AuthenticatorOptions {
  /**
   * Speak http, or TLS without a look at the certificate, whichever the registry speaks. Loopback hosts are asked
   * which one they speak anyhow; all others are spoken to in https.
   */
  readonly insecure?: boolean;
  /** Files or directories of certificates (PEM) to trust beside those that the system trusts. */
  readonly caFiles?: readonly string[];
  /** Where the API is, where that does not follow from the host: `https://mirror.example/v2/hub/`. */
  readonly endpoint?: URL;
  /** Sent with each request that reads, as mirrors want to know whom they stand for (`ns=docker.io`). */
  readonly namespace?: string;
  /** Requests that the registry may be asked, a minute and at once. Default: 300 for docker.io, else no bound. */
  readonly rate?: Rate;
  /** Where unfinished uploads are remembered, so that the next process goes on with them. Default: nowhere. */
  readonly uploads?: UploadMemory;
}

type MissingCode = "MANIFEST_UNKNOWN" | "BLOB_UNKNOWN" | "NAME_UNKNOWN" | "BLOB_UPLOAD_UNKNOWN";

/** A registry over HTTP (distribution-spec), without cache; anonymous unless it is given credentials. */
export class RemoteRegistry implements Registry {
  readonly name: string;
  readonly #transport: Transport;
  readonly #options: RemoteOptions;
  #base: Promise<{ url: URL; auth: Authenticator }> | undefined;

  /** @param host host with optional port, as in a reference: `docker.io`, `127.0.0.1:5000` */
  constructor(host: string, options: RemoteOptions = {}) {
    this.name = host;
    const { caFiles, ca, insecure, skipVerify, rate } = options;
    const trusted = async (): Promise<readonly string[] | undefined> => {
      if (!caFiles) return ca?.();
      const { trustedCertificates } = await import("../../config/certificates.ts");
      return [...(await trustedCertificates(caFiles)), ...((await ca?.()) ?? [])];
    };
    const bound = rate ?? (host === "docker.io" ? hubRate : undefined);
    this.#transport = new Transport({
      ...options,
      home: options.endpoint?.host ?? apiHost(host),
      ca: trusted,
      skipVerify: skipVerify === true || insecure === true,
      ...(bound && { limiter: options.limiter ?? new RateLimiter(bound) }),
    });
    this.#options = options;
  }

  /** Where the API is, found out at the first use. */
  #connect(): Promise<{ url: URL; auth: Authenticator }> {
    this.#base ??= this.#probe().then((url) => ({
      url,
      auth: new Authenticator(this.name, url, this.#transport, this.#options),
    }));
    this.#base.catch(() => {
      this.#base = undefined;
    });
    return this.#base;
  }

  async #probe(): Promise<URL> {
    const host = apiHost(this.name);
    const https = this.#options.endpoint ?? new URL(`https://${host}/v2/`);
    const asks = this.#options.insecure || (isLoopback(https.hostname) && !this.#options.endpoint);
    if (https.protocol === "http:" || !asks) return https;
    // A request without secrets tells which protocol is spoken. A TLS server answers plain HTTP with 400 or not at all.
    const plain = new URL(https);
    plain.protocol = "http:";
    try {
      const response = await this.#transport.send({ method: "GET", url: plain, anonymous: true });
      await response.discard();
      return response.status === 400 || response.url.protocol === "https:" ? https : plain;
    } catch (error) {
      if (isGantryError(error, "INVALID_RESPONSE", "REDIRECT_REFUSED")) return https;
      if (isGantryError(error, "CONNECTION_FAILED") && (error.details["errno"] !== "ECONNREFUSED" || !plain.port)) {
        return https;
      }
      throw error;
    }
  }

  /** Asks whether the registry is there, and accepts who we are. @throws UNAUTHORIZED, DENIED */
  async ping(options: CallOptions = {}): Promise<void> {
    const { url } = await this.#connect();
    const asked = `asking ${this.name} who we are to it`;
    const response = await this.#send("", { method: "GET", url, ...options }, [200], asked, "NAME_UNKNOWN");
    await response.discard();
  }

  /** What the registry says of its quota, asked by a HEAD, which costs nothing of it; undefined where it says nothing. */
  async rateLimit(repo: RepoName, reference: Tag | Digest, options: CallOptions = {}): Promise<RateLimit | undefined> {
    await this.#headManifest(repo, reference, options);
    return this.#transport.rateLimit;
  }

  async #url(repo: RepoName, rest: string): Promise<URL> {
    const url = new URL(`${repo}/${rest}`, (await this.#connect()).url);
    if (this.#options.namespace) url.searchParams.set("ns", this.#options.namespace);
    return url;
  }

  /** One request for a repository, with a token where the registry asks for one; any other status is an error. */
  async #send(
    scope: string,
    request: Omit<HttpRequest, "authorization">,
    expected: readonly number[],
    asked: string,
    missing: MissingCode,
  ): Promise<HttpResponse> {
    const { auth, url } = await this.#connect();
    // An upload or a page may be anywhere; who we are is for the registry alone.
    const own = request.url.origin === url.origin;
    const canRepeat = !(request.body && "pump" in request.body);
    if (own && !canRepeat) await auth.renew(scope, request.signal);
    let sent: string | undefined;
    const send = (): Promise<HttpResponse> => {
      sent = own ? auth.header(scope) : undefined;
      return this.#transport.send({ ...request, ...(sent && { authorization: sent }) });
    };
    let response = await send();
    const asks = own && response.status === 401 && response.url.origin === url.origin;
    if (asks && canRepeat) {
      // Read to its end first: it holds a place at the host, which may be the token server's too.
      const refused = await response.bytes(this.#transport.limits.errorBytes, asked).catch(() => Buffer.alloc(0));
      if (await auth.answer(response, scope, sent, request.signal)) response = await send();
      else throw await responseError(response, this.#transport, asked, missing, refused);
    }
    if (expected.includes(response.status)) return response;
    throw await responseError(response, this.#transport, asked, missing);
  }

  #pull(
    repo: RepoName,
    request: Omit<HttpRequest, "authorization">,
    asked: string,
    missing: MissingCode,
    expected: readonly number[] = [200],
  ): Promise<HttpResponse> {
    return this.#send(`repository:${repo}:pull`, request, expected, asked, missing);
  }

  #exchange(repo: RepoName, missing: MissingCode): Exchange {
    return (request, expected, asked) => this.#send(`repository:${repo}:pull,push`, request, expected, asked, missing);
  }

  async getManifest(repo: RepoName, reference: Tag | Digest, options: CallOptions = {}): Promise<StoredManifest> {
    const what = `manifest ${reference} of ${this.name}/${repo}`;
    const url = await this.#url(repo, `manifests/${reference}`);
    const headers = { accept: manifestAccept.join(", ") };
    const limit = this.#transport.limits.metadataBytes;
    // A manifest is small: where the connection breaks, it is asked for again as a whole.
    for (let attempt = 1; ; attempt += 1) {
      const response = await this.#pull(
        repo,
        { method: "GET", url, headers, ...signalOf(options) },
        `getting ${what}`,
        "MANIFEST_UNKNOWN",
      );
      try {
        const declared = Number(response.headers["content-length"]);
        if (declared > limit) checkLimit(this.#transport.limits, "metadataBytes", declared, what);
        const bytes = await response.bytes(limit, what);
        const digest = digestOf(bytes, isDigest(reference) ? algorithmOf(reference) : "sha256");
        if (isDigest(reference)) requireDigest(digest, reference, what);
        else requireClaimed(response, digest, what);
        return { descriptor: { mediaType: manifestType(response, bytes), digest, size: bytes.length }, bytes };
      } catch (error) {
        options.signal?.throwIfAborted();
        if (attempt >= 3 || !isGantryError(error, "TRANSFER_INTERRUPTED")) throw error;
        await this.#transport.pauseBeforeRetry(attempt, error.message, options.signal);
      } finally {
        await response.body.close();
      }
    }
  }

  async getBlob(repo: RepoName, blob: Digest | Expected, options: GetBlobOptions = {}): Promise<Content> {
    const expected = expectedOf(blob);
    const what = `blob ${expected.digest} of ${this.name}/${repo}`;
    const url = await this.#url(repo, `blobs/${expected.digest}`);
    const request = async (offset: number, signal?: AbortSignal): Promise<HttpResponse> => {
      const headers = offset > 0 ? { range: `bytes=${offset}-` } : undefined;
      const get = {
        method: "GET",
        url,
        streams: true,
        ...(headers && { headers }),
        ...(signal && { signal }),
      } as const;
      return this.#pull(repo, get, `getting ${what}`, "BLOB_UNKNOWN", offset > 0 ? [200, 206] : [200]);
    };
    const asked = options.from?.offset ?? 0;
    const first = await request(asked, options.signal);
    try {
      const from = asked > 0 && startsAt(first, asked, expected.size, what) ? options.from : undefined;
      const offset = from?.offset ?? 0;
      const declared = wholeSize(first);
      if (declared !== undefined && expected.size !== undefined) requireSize(declared, expected.size, what);
      const size = expected.size ?? declared;
      const body = new ResumingBody(first, request, this.#transport, { what, offset, size });
      return new Content({ ...expected, ...(size !== undefined && { size }) }, body, {
        what,
        limits: this.#transport.limits,
        ...(from && { from }),
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
    const url = await this.#url(repo, `blobs/${blob.digest}`);
    const headers = { range: `bytes=${start}-${end - 1}` };
    const asked = `getting a range of ${what}`;
    const response = await this.#pull(
      repo,
      { method: "GET", url, headers, streams: true, ...signalOf(options) },
      asked,
      "BLOB_UNKNOWN",
      [200, 206],
    );
    if (response.status === 206 && (response.headers["content-range"] ?? "").startsWith(`bytes ${start}-${end - 1}/`)) {
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
    const url = await this.#url(repo, `manifests/${reference}`);
    const headers = { accept: manifestAccept.join(", ") };
    const head = { method: "HEAD", url, headers, ...signalOf(options) } as const;
    const asked = `resolving manifest ${reference} of ${this.name}/${repo}`;
    const response = await this.#pull(repo, head, asked, "MANIFEST_UNKNOWN");
    await response.discard();
    return response;
  }

  async resolveManifest(repo: RepoName, reference: Tag | Digest, options: CallOptions = {}): Promise<Descriptor> {
    const what = `manifest ${reference} of ${this.name}/${repo}`;
    const response = await this.#headManifest(repo, reference, options);
    const claimed = response.headers["docker-content-digest"];
    const size = contentLength(response);
    const mediaType = response.headers["content-type"]?.split(";")[0]?.trim();
    // A HEAD that does not tell everything is of no use; the document itself does.
    if (!claimed || size === undefined || !mediaType)
      return (await this.getManifest(repo, reference, options)).descriptor;
    const digest = parseDigest(claimed, `the Docker-Content-Digest of ${what}`);
    if (isDigest(reference)) requireDigest(digest, reference, what);
    return { mediaType, digest, size };
  }

  async resolveBlob(repo: RepoName, digest: Digest, options: CallOptions = {}): Promise<Descriptor> {
    const what = `blob ${digest} of ${this.name}/${repo}`;
    const url = await this.#url(repo, `blobs/${digest}`);
    const response = await this.#pull(
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

  async #startUpload(
    repo: RepoName,
    query: Record<string, string>,
    asked: string,
    options: CallOptions,
  ): Promise<HttpResponse> {
    const url = await this.#url(repo, "blobs/uploads/");
    for (const [key, value] of Object.entries(query)) url.searchParams.set(key, value);
    // Two uploads that were started do no more harm than one.
    const post = { method: "POST", url, body: Buffer.alloc(0), repeatable: true, ...signalOf(options) } as const;
    const expected = query["mount"] ? [201, 202] : [202];
    return this.#exchange(repo, "NAME_UNKNOWN")(post, expected, asked);
  }

  async pushBlob(
    repo: RepoName,
    descriptor: Descriptor,
    source: BlobSource,
    options: CallOptions = {},
  ): Promise<Descriptor> {
    const { uploads } = this.#options;
    const { url } = await this.#connect();
    const asked = `pushing blob ${descriptor.digest} to ${this.name}/${repo}`;
    const target: PushTarget = {
      name: this.name,
      repo,
      transport: this.#transport,
      exchange: this.#exchange(repo, "BLOB_UPLOAD_UNKNOWN"),
      ...(uploads && { memory: { uploads, key: `${url.origin} ${repo} ${descriptor.digest}` } }),
      start: (call) => this.#startUpload(repo, {}, asked, call),
      has: async ({ digest, size }, call) => {
        const found = await this.resolveBlob(repo, digest, call).catch(() => undefined);
        return found?.size === size;
      },
    };
    await pushBlob(target, descriptor, source, signalOf(options));
    return descriptor;
  }

  async openUpload(
    repo: RepoName,
    options: CallOptions & { readonly session?: UploadSession } = {},
  ): Promise<BlobUpload> {
    const { session, ...call } = options;
    const what = `the upload to ${this.name}/${repo}`;
    const exchange = this.#exchange(repo, "BLOB_UPLOAD_UNKNOWN");
    if (session) {
      const { url } = await this.#connect();
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
    const response = await this.#startUpload(repo, {}, `starting ${what}`, call);
    await response.discard();
    return new RemoteUpload(repo, uploadLocation(response), 0, exchange, what);
  }

  async mountBlob(from: RepoName, to: RepoName, digest: Digest, options: CallOptions = {}): Promise<Descriptor> {
    const what = `blob ${digest} from ${from} in ${this.name}/${to}`;
    const response = await this.#startUpload(to, { mount: digest, from }, `mounting ${what}`, options);
    await response.discard();
    if (response.status === 201) return this.resolveBlob(to, digest, options);
    // 202: an upload was started instead. Nobody will finish it.
    const upload = new RemoteUpload(to, uploadLocation(response), 0, this.#exchange(to, "BLOB_UPLOAD_UNKNOWN"), what);
    await upload.cancel().catch(() => {});
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
      const url = await this.#url(repo, `manifests/${reference}`);
      const response = await this.#exchange(repo, "NAME_UNKNOWN")(
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
    const url = await this.#url(repo, path);
    const asked = `deleting ${path} of ${this.name}/${repo}`;
    const request = { method: "DELETE", url, ...signalOf(options) } as const;
    const response = await this.#send(`repository:${repo}:delete`, request, [200, 202, 204], asked, missing);
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

  async *repositories(options: CallOptions = {}): AsyncGenerator<RepoName> {
    const { url } = await this.#connect();
    const get = (page: URL): Promise<HttpResponse> =>
      this.#send(
        "registry:catalog:*",
        { method: "GET", url: page, ...signalOf(options) },
        [200],
        `listing ${this.name}`,
        "NAME_UNKNOWN",
      );
    for await (const page of pages(new URL("_catalog?n=1000", url), get, this.#transport)) {
      for (const name of names(page["repositories"], "repositories")) yield parseRepoName(name);
    }
  }

  async *tags(repo: RepoName, options: CallOptions = {}): AsyncGenerator<Tag> {
    const first = await this.#url(repo, "tags/list?n=1000");
    const asked = `listing the tags of ${this.name}/${repo}`;
    const get = (url: URL): Promise<HttpResponse> =>
      this.#pull(repo, { method: "GET", url, ...signalOf(options) }, asked, "NAME_UNKNOWN");
    for await (const page of pages(first, get, this.#transport)) {
      for (const name of names(page["tags"], "tags")) if (isTag(name)) yield name;
    }
  }

  async *referrers(
    repo: RepoName,
    digest: Digest,
    options: CallOptions & { readonly artifactType?: string } = {},
  ): AsyncGenerator<Descriptor> {
    const { artifactType, ...call } = options;
    const first = await this.#url(repo, `referrers/${digest}`);
    if (artifactType) first.searchParams.set("artifactType", artifactType);
    const asked = `listing the referrers of ${digest} in ${this.name}/${repo}`;
    let answered = false;
    const get = async (url: URL): Promise<HttpResponse> => {
      // GitHub sends those who ask to its web pages.
      const request = { method: "GET", url, redirects: "own", ...signalOf(call) } as const;
      const response = await this.#pull(repo, request, asked, "MANIFEST_UNKNOWN");
      answered = true;
      return response;
    };
    const wanted = (item: unknown): Descriptor[] => {
      const descriptor = decodeDescriptor(item, `${asked}: an entry`);
      return !artifactType || descriptor.artifactType === artifactType ? [descriptor] : [];
    };
    try {
      for await (const page of pages(first, get, this.#transport)) {
        for (const item of (page["manifests"] as unknown[] | null) ?? []) yield* wanted(item);
      }
    } catch (error) {
      if (answered || !isGantryError(error, "MANIFEST_UNKNOWN", "NAME_UNKNOWN", "UNSUPPORTED")) throw error;
      // A registry without the API: clients keep the list under a tag (distribution-spec, "Referrers Tag Schema").
      for (const item of await this.#taggedReferrers(repo, digest, call)) yield* wanted(item);
    }
  }

  async #taggedReferrers(repo: RepoName, digest: Digest, options: CallOptions): Promise<readonly Descriptor[]> {
    try {
      const { bytes, descriptor } = await this.getManifest(repo, digest.replace(":", "-") as Tag, options);
      const document = decodeDocument(bytes, descriptor.mediaType, `the referrers of ${digest}`);
      return document.kind === "index" ? document.index.manifests : [];
    } catch (error) {
      if (isGantryError(error, "MANIFEST_UNKNOWN", "NAME_UNKNOWN")) return [];
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.#transport.close();
  }
}

/** Callers may hand over more than the interface asks for; a request takes the signal and nothing else. */
function signalOf({ signal }: CallOptions): CallOptions {
  return signal ? { signal } : {};
}

/** What a registry says about bytes proves nothing, but bytes that are other than it says are not what it sent. */
function requireClaimed(response: HttpResponse, computed: Digest, what: string): void {
  const claimed = response.headers["docker-content-digest"];
  if (claimed && isDigest(claimed) && algorithmOf(claimed) === algorithmOf(computed)) {
    requireDigest(computed, claimed, what);
  }
}

/** The size of the blob that a response is of, or a part of. */
function wholeSize(response: HttpResponse): number | undefined {
  if (response.status !== 206) return contentLength(response);
  const total = /\/(\d+)$/.exec(response.headers["content-range"] ?? "")?.[1];
  return total === undefined ? undefined : Number(total);
}

function contentLength(response: HttpResponse): number | undefined {
  const value = response.headers["content-length"];
  return value !== undefined && /^\d+$/.test(value) ? Number(value) : undefined;
}

const generic: ReadonlySet<string> = new Set([
  "",
  "application/json",
  "text/plain",
  "text/html",
  mediaTypes.octetStream,
]);

/** What the header calls a manifest; where that says nothing, what the manifest calls itself. */
function manifestType(response: HttpResponse, bytes: Buffer): string {
  const header = response.headers["content-type"]?.split(";")[0]?.trim() ?? "";
  return generic.has(header) ? (summarizeManifest(bytes).mediaType ?? mediaTypes.octetStream) : header;
}

function names(value: unknown, path: string): string[] {
  if (value === null || value === undefined) return [];
  if (!Array.isArray(value) || value.some((item) => typeof item !== "string")) {
    throw new GantryError("INVALID_DOCUMENT", `the list: ${path} must be a list of strings`, { details: { path } });
  }
  return value as string[];
}
