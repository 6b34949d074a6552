import type { Content, Expected } from "../../content/content.ts";
import type { BlobSource } from "../../content/source.ts";
import type { RepoName, Tag } from "../../reference/reference.ts";
import type { Digest } from "../../spec/digest.ts";
import type { Descriptor } from "../../spec/types.ts";
import type { RateLimit } from "../../transport/rate.ts";
import type {
  BlobUpload,
  ByteRange,
  CallOptions,
  GetBlobOptions,
  ListOptions,
  OpenUploadOptions,
  PushBlobOptions,
  PushManifestOptions,
  RangeContent,
  ReferrersOptions,
  Registry,
  StoredManifest,
} from "../registry.ts";
import { Api } from "./api.ts";
import { RemoteDeleter } from "./deleter.ts";
import { RemoteLister } from "./lister.ts";
import type { RemoteOptions } from "./options.ts";
import { RemoteReader } from "./reader.ts";
import { RemoteWriter } from "./writer.ts";

/** A registry over HTTP (distribution-spec), without cache; anonymous unless it is given credentials. */
export class RemoteRegistry implements Registry {
  readonly name: string;
  readonly #api: Api;
  readonly #reader: RemoteReader;
  readonly #writer: RemoteWriter;
  readonly #deleter: RemoteDeleter;
  readonly #lister: RemoteLister;

  /** @param host host with optional port, as in a reference: `docker.io`, `127.0.0.1:5000` */
  constructor(host: string, options: RemoteOptions = {}) {
    this.name = host;
    this.#api = new Api(host, options);
    this.#reader = new RemoteReader(this.#api);
    this.#writer = new RemoteWriter(this.#api, this.#reader, options.uploads);
    this.#deleter = new RemoteDeleter(this.#api);
    this.#lister = new RemoteLister(this.#api);
  }

  /** The URL of its API. One request without secrets finds out whether a loopback host speaks http or https. */
  async address(): Promise<URL> {
    return (await this.#api.connect()).url;
  }

  /** Asks whether the registry answers and accepts the credentials. @throws UNAUTHORIZED, DENIED */
  async ping({ signal }: CallOptions = {}): Promise<void> {
    const { url } = await this.#api.connect();
    const asked = `asking ${this.name} whether it accepts the credentials`;
    const response = await this.#api.send("", { method: "GET", url, signal }, [200], asked, "NAME_UNKNOWN");
    await response.discard();
  }

  /** The quota that the registry reports, if any. It is asked by HEAD, which does not count against it. */
  async rateLimit(repo: RepoName, reference: Tag | Digest, options: CallOptions = {}): Promise<RateLimit | undefined> {
    await this.#reader.headManifest(repo, reference, options);
    return this.#api.transport.rateLimit;
  }

  getManifest(repo: RepoName, reference: Tag | Digest, options?: CallOptions): Promise<StoredManifest> {
    return this.#reader.getManifest(repo, reference, options);
  }

  getBlob(repo: RepoName, blob: Digest | Expected, options?: GetBlobOptions): Promise<Content> {
    return this.#reader.getBlob(repo, blob, options);
  }

  getBlobRange(repo: RepoName, blob: Expected, range: ByteRange, options?: CallOptions): Promise<RangeContent> {
    return this.#reader.getBlobRange(repo, blob, range, options);
  }

  resolveManifest(repo: RepoName, reference: Tag | Digest, options?: CallOptions): Promise<Descriptor> {
    return this.#reader.resolveManifest(repo, reference, options);
  }

  resolveBlob(repo: RepoName, digest: Digest, options?: CallOptions): Promise<Descriptor> {
    return this.#reader.resolveBlob(repo, digest, options);
  }

  pushBlob(repo: RepoName, descriptor: Descriptor, source: BlobSource, options?: PushBlobOptions): Promise<Descriptor> {
    return this.#writer.pushBlob(repo, descriptor, source, options);
  }

  openUpload(repo: RepoName, options?: OpenUploadOptions): Promise<BlobUpload> {
    return this.#writer.openUpload(repo, options);
  }

  mountBlob(from: RepoName, to: RepoName, digest: Digest, options?: CallOptions): Promise<Descriptor> {
    return this.#writer.mountBlob(from, to, digest, options);
  }

  pushManifest(
    repo: RepoName,
    bytes: Uint8Array,
    mediaType: string,
    options?: PushManifestOptions,
  ): Promise<Descriptor> {
    return this.#writer.pushManifest(repo, bytes, mediaType, options);
  }

  deleteBlob(repo: RepoName, digest: Digest, options?: CallOptions): Promise<void> {
    return this.#deleter.deleteBlob(repo, digest, options);
  }

  deleteManifest(repo: RepoName, digest: Digest, options?: CallOptions): Promise<void> {
    return this.#deleter.deleteManifest(repo, digest, options);
  }

  deleteTag(repo: RepoName, tag: Tag, options?: CallOptions): Promise<void> {
    return this.#deleter.deleteTag(repo, tag, options);
  }

  repositories(options?: ListOptions): AsyncGenerator<RepoName> {
    return this.#lister.repositories(options);
  }

  tags(repo: RepoName, options?: ListOptions): AsyncGenerator<Tag> {
    return this.#lister.tags(repo, options);
  }

  referrers(repo: RepoName, digest: Digest, options?: ReferrersOptions): AsyncGenerator<Descriptor> {
    return this.#lister.referrers(repo, digest, options);
  }

  /**
   * Ends the requests and bodies of this client. Other clients keep using the same connections; the last one closes
   * them.
   * @param options keepIdle: leave idle connections open for a moment, for the next client
   */
  async close(options: { readonly keepIdle?: boolean | undefined } = {}): Promise<void> {
    await this.#api.transport.close(options);
  }
}
