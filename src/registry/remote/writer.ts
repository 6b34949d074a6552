import { GantryError } from "../../base/error.ts";
import type { BlobSource } from "../../content/source.ts";
import type { RepoName } from "../../reference/reference.ts";
import { algorithmOf, type Digest } from "../../spec/digest.ts";
import type { Descriptor } from "../../spec/types.ts";
import type { HttpResponse } from "../../transport/message.ts";
import { manifestDigest } from "../expected.ts";
import { unsupported } from "../refusals.ts";
import type {
  BlobUpload,
  CallOptions,
  OpenUploadOptions,
  PushBlobOptions,
  PushManifestOptions,
  RegistryReader,
  RegistryWriter,
  UploadSession,
} from "../registry.ts";
import type { Api } from "./api.ts";
import { pushBlob } from "./push/push.ts";
import { startUpload, tryMount } from "./start-upload.ts";
import { RemoteUpload, uploadedBytes, uploadLocation } from "./upload.ts";
import type { UploadMemory } from "./upload-memory.ts";

/** Pushes manifests and blobs over HTTP. */
export class RemoteWriter implements RegistryWriter {
  readonly name: string;
  readonly #api: Api;
  readonly #reader: Pick<RegistryReader, "resolveBlob">;
  readonly #uploads: UploadMemory | undefined;

  /** @param reader of the same registry; it tells whether a pushed blob has arrived */
  constructor(api: Api, reader: Pick<RegistryReader, "resolveBlob">, uploads?: UploadMemory) {
    this.name = api.name;
    this.#api = api;
    this.#reader = reader;
    this.#uploads = uploads;
  }

  async pushBlob(
    repo: RepoName,
    descriptor: Descriptor,
    source: BlobSource,
    { mountFrom: from, signal }: PushBlobOptions = {},
  ): Promise<Descriptor> {
    const { digest } = descriptor;
    algorithmOf(digest);
    const mounts = from !== undefined && from !== repo;
    let started = mounts ? await tryMount(this.#api, repo, { digest, from }, { signal }) : undefined;
    if (started?.status === 201) return descriptor;
    const { url } = await this.#api.connect();
    const uploads = this.#uploads;
    const asked = `pushing blob ${digest} to ${this.name}/${repo}`;
    const target = {
      name: this.name,
      repo,
      transport: this.#api.transport,
      exchange: this.#api.push(repo, "BLOB_UPLOAD_UNKNOWN"),
      memory: uploads && { uploads, key: `${url.origin} ${repo} ${digest}` },
      start: async (call: CallOptions): Promise<HttpResponse> => {
        // The upload that the registry started instead of the mount is used first.
        const response = started ?? (await startUpload(this.#api, repo, asked, call));
        started = undefined;
        return response;
      },
      has: async ({ digest, size }: Descriptor, call: CallOptions): Promise<boolean> => {
        const found = await this.#reader.resolveBlob(repo, digest, call).catch(() => undefined);
        return found?.size === size;
      },
    };
    await pushBlob(target, descriptor, source, { signal });
    // Still unused where the upload of an earlier process was resumed.
    if (started) await this.#cancel(repo, started, asked);
    return descriptor;
  }

  async openUpload(repo: RepoName, { session, signal }: OpenUploadOptions = {}): Promise<BlobUpload> {
    const what = `the upload to ${this.name}/${repo}`;
    if (session) return this.#resume(repo, session, what, signal);
    const response = await startUpload(this.#api, repo, `starting ${what}`, { signal });
    await response.discard();
    return this.#uploadAt(repo, response, what);
  }

  async #resume(repo: RepoName, session: UploadSession, what: string, signal?: AbortSignal): Promise<BlobUpload> {
    const { url } = await this.#api.connect();
    const location = new URL(session.location, url);
    if (location.origin !== url.origin || session.repo !== repo) {
      throw new GantryError(
        "BLOB_UPLOAD_UNKNOWN",
        `${what}: the saved session belongs to another registry or repository; start a new upload`,
      );
    }
    const exchange = this.#api.push(repo, "BLOB_UPLOAD_UNKNOWN");
    const response = await exchange({ method: "GET", url: location, signal }, [204], `resuming ${what}`);
    await response.discard();
    const next = response.headers["location"] ? uploadLocation(response) : location;
    return new RemoteUpload(repo, next, uploadedBytes(response) ?? 0, exchange, what);
  }

  /** The upload that an answer has started. */
  #uploadAt(repo: RepoName, response: HttpResponse, what: string): RemoteUpload {
    return new RemoteUpload(repo, uploadLocation(response), 0, this.#api.push(repo, "BLOB_UPLOAD_UNKNOWN"), what);
  }

  /** Cancels an upload that is not needed; the registry drops it later where that fails. */
  async #cancel(repo: RepoName, started: HttpResponse, what: string): Promise<void> {
    await this.#uploadAt(repo, started, what)
      .cancel()
      .catch(() => {});
  }

  async mountBlob(from: RepoName, to: RepoName, digest: Digest, { signal }: CallOptions = {}): Promise<Descriptor> {
    algorithmOf(digest);
    const what = `blob ${digest} from ${from} in ${this.name}/${to}`;
    if (from === to) return this.#reader.resolveBlob(to, digest, { signal });
    const response = await startUpload(this.#api, to, `mounting ${what}`, { signal }, { digest, from });
    await response.discard();
    if (response.status === 201) return this.#reader.resolveBlob(to, digest, { signal });
    // The registry has started an upload instead.
    await this.#cancel(to, response, what);
    throw unsupported(this.name, `mounting ${what}`);
  }

  async pushManifest(
    repo: RepoName,
    bytes: Uint8Array,
    mediaType: string,
    options: PushManifestOptions = {},
  ): Promise<Descriptor> {
    const digest = manifestDigest(bytes, options);
    const { tags, signal } = options;
    // Only the URL tells a registry that the digest is not a sha256.
    const byDigest = options.digest && algorithmOf(options.digest) !== "sha256" ? [digest] : [];
    const exchange = this.#api.push(repo, "NAME_UNKNOWN");
    for (const reference of tags?.length ? [...byDigest, ...tags] : [digest]) {
      const url = await this.#api.url(repo, `manifests/${reference}`);
      const headers = { "content-type": mediaType };
      const put = { method: "PUT", url, headers, body: bytes, repeatable: true, signal } as const;
      const response = await exchange(put, [201], `pushing manifest ${reference} to ${this.name}/${repo}`);
      await response.discard();
    }
    return { mediaType, digest, size: bytes.byteLength };
  }
}
