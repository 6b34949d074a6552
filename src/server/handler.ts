import { randomUUID } from "node:crypto";
import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import { sleep } from "../base/async.ts";
import { GantryError, isGantryError } from "../base/error.ts";
import { checkLimit, defaultLimits, type Limits } from "../base/limits.ts";
import type { Body } from "../content/content.ts";
import { iterableBody } from "../content/source.ts";
import { parseRepoName, parseTagOrDigest, type RepoName, type Tag } from "../reference/reference.ts";
import type { BlobUpload, Registry } from "../registry/registry.ts";
import { decodeDocument } from "../spec/decode.ts";
import { type Digest, isDigest, parseDigest } from "../spec/digest.ts";
import { mediaTypes } from "../spec/media-types.ts";
import type { Descriptor } from "../spec/types.ts";
import { sendError } from "./errors.ts";
import { parseRoute } from "./routes.ts";

export interface HandlerOptions {
  readonly limits?: Limits;
  /** Whether DELETE of manifests, tags and blobs is allowed. Default: false. */
  readonly allowDelete?: boolean;
  /** Told of what went wrong inside: the client only learns that something did. */
  readonly onError?: (error: unknown) => void;
}

/** How many names a page of a listing holds at the most, whatever is asked for. */
const MAX_PAGE = 1000;

interface Call {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly url: URL;
  readonly signal: AbortSignal;
}

/** Any registry, as the listener of a node:http server (distribution-spec). */
export function registryHandler(registry: Registry, options: HandlerOptions = {}): RequestListener {
  const api = new Api(registry, options);
  return (request, response) => {
    const gone = new AbortController();
    response.once("close", () => gone.abort(new GantryError("TRANSFER_INTERRUPTED", "the client went away")));
    api.handle(request, response, gone.signal).catch((error: unknown) => {
      if (!isGantryError(error)) options.onError?.(error);
      sendError(response, error);
    });
  };
}

/** An upload under way. Only one request at a time may add to it. */
interface OpenUpload {
  readonly repo: RepoName;
  readonly upload: BlobUpload;
  /** Settles when the request is over that adds to it just now. */
  busy: Promise<void> | undefined;
  usedAt: number;
}

/** Uploads that nobody added to for this long are dropped. Milliseconds. */
const UPLOAD_IDLE_MS = 15 * 60_000;
/** How long a request waits for another one on the same upload. Milliseconds. */
const QUIET_MS = 5_000;
/** Uploads open at once: each keeps a file and buffers. */
const MAX_UPLOADS = 256;

class Api {
  readonly #registry: Registry;
  readonly #limits: Limits;
  readonly #allowDelete: boolean;
  /** Uploads under way, by an id that means something in one repository only. */
  readonly #uploads = new Map<string, OpenUpload>();

  constructor(registry: Registry, options: HandlerOptions) {
    this.#registry = registry;
    this.#limits = options.limits ?? defaultLimits;
    this.#allowDelete = options.allowDelete ?? false;
  }

  async handle(request: IncomingMessage, response: ServerResponse, signal: AbortSignal): Promise<void> {
    const url = URL.canParse(request.url ?? "", "http://registry.invalid/")
      ? new URL(request.url!, "http://registry.invalid/")
      : new URL("http://registry.invalid/");
    const call: Call = { request, response, url, signal };
    const route = parseRoute(url.pathname);
    const method = request.method ?? "GET";
    const on = async (handlers: Record<string, () => Promise<void>>): Promise<void> => {
      const handler = handlers[method] ?? (method === "HEAD" ? handlers["GET"] : undefined);
      if (!handler) throw new GantryError("UNSUPPORTED", `${method} is not supported here`);
      if (method === "DELETE" && route.kind !== "upload" && !this.#allowDelete) {
        throw new GantryError("UNSUPPORTED", "this registry does not allow deletion");
      }
      await handler();
    };
    response.setHeader("docker-distribution-api-version", "registry/2.0");
    switch (route.kind) {
      case "base":
        return on({ GET: async () => json(call, {}) });
      case "catalog":
        return on({
          GET: () =>
            this.#list(call, "repositories", this.#registry.repositories({ signal: call.signal }), "/v2/_catalog"),
        });
      case "tags":
        return on({ GET: () => this.#tags(call, route.repo) });
      case "manifest":
        return on({
          GET: () => this.#getManifest(call, route.repo, parseTagOrDigest(route.id)),
          PUT: () => this.#putManifest(call, route.repo, parseTagOrDigest(route.id)),
          DELETE: () => this.#deleteManifest(call, route.repo, parseTagOrDigest(route.id)),
        });
      case "blob":
        return on({
          GET: () => this.#getBlob(call, route.repo, parseDigest(route.id)),
          DELETE: async () => {
            await this.#registry.deleteBlob(route.repo, parseDigest(route.id), { signal: call.signal });
            response.writeHead(202).end();
          },
        });
      case "uploads":
        return on({ POST: () => this.#startUpload(call, route.repo) });
      case "upload":
        return on({
          GET: async () => {
            await this.#quiet(this.#upload(route.repo, route.id));
            this.#uploadStatus(call, route.repo, route.id, 204);
          },
          PATCH: () => this.#appendUpload(call, route.repo, route.id),
          PUT: () => this.#finishUpload(call, route.repo, route.id),
          DELETE: async () => {
            const { upload } = this.#upload(route.repo, route.id);
            this.#uploads.delete(route.id);
            await upload.cancel();
            response.writeHead(204).end();
          },
        });
      case "referrers":
        return on({ GET: () => this.#referrers(call, route.repo, parseDigest(route.id)) });
      default:
        throw new GantryError("NAME_UNKNOWN", "there is nothing here; the API of a registry is below /v2/");
    }
  }

  async #getManifest(call: Call, repo: RepoName, reference: Tag | Digest): Promise<void> {
    const { descriptor, bytes } = await this.#registry.getManifest(repo, reference, { signal: call.signal });
    call.response.writeHead(200, {
      "content-type": descriptor.mediaType,
      "content-length": bytes.length,
      "docker-content-digest": descriptor.digest,
      etag: `"${descriptor.digest}"`,
    });
    call.response.end(call.request.method === "HEAD" ? undefined : bytes);
  }

  async #putManifest(call: Call, repo: RepoName, reference: Tag | Digest): Promise<void> {
    const bytes = await readAll(call, this.#limits);
    const mediaType = call.request.headers["content-type"]?.split(";")[0]?.trim();
    const document = decodeDocument(bytes, mediaType, "the manifest", this.#limits);
    const names = isDigest(reference) ? { digest: reference } : { tags: [reference as Tag] };
    const descriptor = await this.#registry.pushManifest(repo, bytes, document.mediaType, {
      ...names,
      signal: call.signal,
    });
    const subject = (document.kind === "index" ? document.index : document.manifest).subject;
    call.response.writeHead(201, {
      location: `/v2/${repo}/manifests/${descriptor.digest}`,
      "docker-content-digest": descriptor.digest,
      ...(subject && { "oci-subject": subject.digest }),
    });
    call.response.end();
  }

  async #deleteManifest(call: Call, repo: RepoName, reference: Tag | Digest): Promise<void> {
    if (isDigest(reference)) await this.#registry.deleteManifest(repo, reference, { signal: call.signal });
    else await this.#registry.deleteTag(repo, reference as Tag, { signal: call.signal });
    call.response.writeHead(202).end();
  }

  async #getBlob(call: Call, repo: RepoName, digest: Digest): Promise<void> {
    const { response, request } = call;
    const headers = {
      "content-type": mediaTypes.octetStream,
      "docker-content-digest": digest,
      etag: `"${digest}"`,
      "accept-ranges": "bytes",
      "cache-control": "max-age=31536000, immutable",
    };
    const { size } = await this.#registry.resolveBlob(repo, digest, { signal: call.signal });
    if (request.method === "HEAD") {
      response.writeHead(200, { ...headers, "content-length": size }).end();
      return;
    }
    const range = parseRange(request.headers.range, size);
    if (range === "unsatisfiable") {
      response.writeHead(416, { "content-range": `bytes */${size}` }).end();
      return;
    }
    if (range) {
      const part = await this.#registry.getBlobRange(repo, { digest, size }, range, { signal: call.signal });
      const contentRange = `bytes ${range.start}-${range.end - 1}/${size}`;
      response.writeHead(206, { ...headers, "content-length": range.end - range.start, "content-range": contentRange });
      await pumpTo(part, response, call.signal);
      return;
    }
    const content = await this.#registry.getBlob(repo, { digest, size }, { signal: call.signal });
    response.writeHead(200, { ...headers, "content-length": size });
    await pumpTo(
      { pump: (write, signal) => content.pipe(write, { signal }), close: () => content.cancel() },
      response,
      call.signal,
    );
  }

  async #startUpload(call: Call, repo: RepoName): Promise<void> {
    const { searchParams } = call.url;
    const mount = searchParams.get("mount");
    const from = searchParams.get("from");
    if (mount && from) {
      try {
        const mounted = await this.#registry.mountBlob(parseRepoName(from), repo, parseDigest(mount), {
          signal: call.signal,
        });
        return created(call, repo, mounted);
      } catch (error) {
        // What cannot be mounted is uploaded.
        if (!isGantryError(error, "BLOB_UNKNOWN", "NAME_UNKNOWN", "UNSUPPORTED", "DENIED")) throw error;
      }
    }
    await this.#dropIdleUploads();
    const upload = await this.#registry.openUpload(repo, { signal: call.signal });
    const id = randomUUID();
    this.#uploads.set(id, { repo, upload, busy: undefined, usedAt: Date.now() });
    if (searchParams.has("digest")) {
      try {
        return await this.#finishUpload(call, repo, id);
      } catch (error) {
        // The client never learned the id, so it cannot go on with it.
        this.#uploads.delete(id);
        await upload.cancel().catch(() => {});
        throw error;
      }
    }
    return this.#uploadStatus(call, repo, id, 202);
  }

  async #dropIdleUploads(): Promise<void> {
    for (const [id, { upload, busy, usedAt }] of this.#uploads) {
      if (busy || Date.now() - usedAt < UPLOAD_IDLE_MS) continue;
      this.#uploads.delete(id);
      await upload.cancel().catch(() => {});
    }
    if (this.#uploads.size < MAX_UPLOADS) return;
    throw new GantryError(
      "TOO_MANY_REQUESTS",
      `${MAX_UPLOADS} uploads are open; finish or delete some, then try again`,
    );
  }

  /** Runs one request that adds to an upload; a second one at the same time is refused. */
  async #adding(open: OpenUpload, work: () => Promise<void>): Promise<void> {
    await this.#quiet(open);
    if (open.busy) throw new GantryError("BLOB_UPLOAD_INVALID", "another request is adding to this upload");
    let done = (): void => {};
    open.busy = new Promise((resolve) => {
      done = resolve;
    });
    try {
      await work();
    } finally {
      open.busy = undefined;
      open.usedAt = Date.now();
      done();
    }
  }

  /** Waits a little while an upload is added to: its client may know sooner than we do that the connection broke. */
  async #quiet(open: OpenUpload): Promise<void> {
    const end = new AbortController();
    await Promise.race([open.busy, sleep(open.busy ? QUIET_MS : 0, end.signal).catch(() => {})]);
    end.abort();
  }

  #upload(repo: RepoName, id: string): OpenUpload {
    const found = this.#uploads.get(id);
    if (found?.repo !== repo) {
      throw new GantryError("BLOB_UPLOAD_UNKNOWN", `${repo}: there is no such upload; start again with POST`);
    }
    return found;
  }

  #uploadStatus(call: Call, repo: RepoName, id: string, status: number): void {
    const { offset } = this.#upload(repo, id).upload;
    call.response.writeHead(status, {
      location: `/v2/${repo}/blobs/uploads/${id}`,
      range: `0-${Math.max(0, offset - 1)}`,
      "docker-upload-uuid": id,
    });
    call.response.end();
  }

  async #appendUpload(call: Call, repo: RepoName, id: string): Promise<void> {
    const open = this.#upload(repo, id);
    await this.#adding(open, async () => {
      const { upload } = open;
      const range = /^(?:bytes )?(\d+)-(\d+)/.exec(call.request.headers["content-range"] ?? "");
      if (range && Number(range[1]) !== upload.offset) {
        const where = { location: `/v2/${repo}/blobs/uploads/${id}`, range: `0-${Math.max(0, upload.offset - 1)}` };
        call.response.writeHead(416, where).end();
        return;
      }
      await upload.append(requestBody(call.request), { signal: call.signal });
      this.#uploadStatus(call, repo, id, 202);
    });
  }

  async #finishUpload(call: Call, repo: RepoName, id: string): Promise<void> {
    const open = this.#upload(repo, id);
    const digest = parseDigest(call.url.searchParams.get("digest"), "the digest parameter");
    await this.#adding(open, async () => {
      await open.upload.append(requestBody(call.request), { signal: call.signal });
      this.#uploads.delete(id);
      created(call, repo, await open.upload.commit(digest, { signal: call.signal }));
    });
  }

  async #tags(call: Call, repo: RepoName): Promise<void> {
    await this.#list(call, "tags", this.#registry.tags(repo, { signal: call.signal }), `/v2/${repo}/tags/list`, {
      name: repo,
    });
  }

  /** distribution-spec, "Listing Tags": `n` is clamped, never refused; `last` is exclusive. */
  async #list(call: Call, key: string, names: AsyncIterable<string>, path: string, more: object = {}): Promise<void> {
    const { searchParams } = call.url;
    const asked = searchParams.get("n");
    const count = asked !== null && /^\d+$/.test(asked) ? Math.min(Number(asked), MAX_PAGE) : MAX_PAGE;
    const last = searchParams.get("last");
    const page: string[] = [];
    let another = false;
    for await (const name of names) {
      if (last !== null && name <= last) continue;
      if (page.length === count) {
        another = count > 0;
        break;
      }
      page.push(name);
    }
    const next = new URLSearchParams({ n: String(count), last: page.at(-1) ?? "" });
    json(call, { ...more, [key]: page }, another ? { link: `<${path}?${next}>; rel="next"` } : {});
  }

  async #referrers(call: Call, repo: RepoName, digest: Digest): Promise<void> {
    const artifactType = call.url.searchParams.get("artifactType");
    const manifests: Descriptor[] = [];
    const options = { ...(artifactType && { artifactType }), signal: call.signal };
    for await (const descriptor of this.#registry.referrers(repo, digest, options)) manifests.push(descriptor);
    const headers = {
      "content-type": mediaTypes.index,
      ...(artifactType && { "oci-filters-applied": "artifactType" }),
    };
    json(call, { schemaVersion: 2, mediaType: mediaTypes.index, manifests }, headers);
  }
}

function created(call: Call, repo: RepoName, descriptor: Descriptor): void {
  call.response.writeHead(201, {
    location: `/v2/${repo}/blobs/${descriptor.digest}`,
    "docker-content-digest": descriptor.digest,
  });
  call.response.end();
}

function json(call: Call, value: object, headers: Record<string, string> = {}): void {
  const body = JSON.stringify(value);
  call.response.writeHead(200, {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(body),
    ...headers,
  });
  call.response.end(call.request.method === "HEAD" ? undefined : body);
}

async function readAll(call: Call, limits: Limits): Promise<Buffer> {
  const declared = Number(call.request.headers["content-length"] ?? 0);
  checkLimit(limits, "metadataBytes", declared, `a manifest of ${declared} bytes`);
  const chunks: Buffer[] = [];
  let length = 0;
  await requestBody(call.request).pump((chunk) => {
    length += chunk.byteLength;
    checkLimit(limits, "metadataBytes", length, "the manifest");
    chunks.push(chunk as Buffer);
  }, call.signal);
  return Buffer.concat(chunks, length);
}

/** The body of a request; one that ends early is an error, not the end of the data. */
function requestBody(request: IncomingMessage): Body {
  const body = iterableBody(request);
  return {
    async pump(write, signal) {
      try {
        await body.pump(write, signal);
      } catch (error) {
        throw request.complete || isGantryError(error)
          ? error
          : new GantryError("TRANSFER_INTERRUPTED", "the client stopped sending", { cause: error });
      }
    },
    close() {},
  };
}

/** RFC 9110 section 14: one range is served; several, or another unit, are answered with the whole. */
function parseRange(
  header: string | undefined,
  size: number,
): { start: number; end: number } | "unsatisfiable" | undefined {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header ?? "");
  if (!match || (match[1] === "" && match[2] === "")) return undefined;
  if (match[1] === "") {
    const length = Math.min(Number(match[2]), size);
    return length === 0 ? "unsatisfiable" : { start: size - length, end: size };
  }
  const start = Number(match[1]);
  const end = match[2] === "" ? size : Math.min(Number(match[2]) + 1, size);
  if (start >= size) return "unsatisfiable";
  return end > start ? { start, end } : undefined;
}

async function pumpTo(body: Body, response: ServerResponse, signal: AbortSignal): Promise<void> {
  try {
    await body.pump((chunk) => {
      if (response.destroyed) throw signal.reason;
      // Lent chunks must be copied: the socket keeps what it cannot send yet.
      if (response.write(Buffer.from(chunk))) return;
      return new Promise<void>((resolve, reject) => {
        const done = (): void => {
          response.off("drain", done).off("close", done);
          if (response.destroyed) reject(signal.reason);
          else resolve();
        };
        response.on("drain", done).on("close", done);
      });
    }, signal);
    response.end();
  } finally {
    await body.close();
  }
}
