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
import { RemoteRegistry } from "../remote/remote.ts";
import { RoutedDeleter } from "./deleter.ts";
import { Fallback } from "./fallback.ts";
import { RoutedLister } from "./lister.ts";
import type { ConnectOptions, RoutedOptions } from "./options.ts";
import { RoutedReader } from "./reader.ts";
import { Targets } from "./targets.ts";
import { RoutedWriter } from "./writer.ts";

/** A registry over HTTP: by its endpoints where there are `routes`, else directly. @param host as in a reference, normalised */
export function connect(host: string, options: ConnectOptions = {}): RemoteRegistry | RoutedRegistry {
  const { routes, ...rest } = options;
  return routes ? new RoutedRegistry(host, { ...rest, routes }) : new RemoteRegistry(host, rest);
}

/**
 * A registry behind the endpoints that `routes` names: reads try its mirrors in their order, then the registry itself;
 * changes go to the one endpoint that takes them.
 */
export class RoutedRegistry implements Registry {
  readonly name: string;
  readonly #targets: Targets;
  readonly #reader: RoutedReader;
  readonly #writer: RoutedWriter;
  readonly #deleter: RoutedDeleter;
  readonly #lister: RoutedLister;

  constructor(host: string, options: RoutedOptions) {
    this.name = host;
    this.#targets = new Targets(host, options);
    const fallback = new Fallback(host, options.progress);
    this.#reader = new RoutedReader(this.#targets, fallback, options.progress);
    this.#writer = new RoutedWriter(this.#targets);
    this.#deleter = new RoutedDeleter(this.#targets);
    this.#lister = new RoutedLister(this.#targets, fallback);
  }

  /** Asks whether the registry itself answers and accepts the credentials. @throws UNAUTHORIZED, DENIED, UNSUPPORTED */
  async ping(options?: CallOptions): Promise<void> {
    await (await this.#targets.itself()).ping(options);
  }

  /** The quota that the registry, or its first mirror, reports. */
  rateLimit(repo: RepoName, reference: Tag | Digest, options?: CallOptions): Promise<RateLimit | undefined> {
    return this.#reader.rateLimit(repo, reference, options);
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

  /** @param options keepIdle: leave idle connections open for a moment, for the next client */
  async close(options: { readonly keepIdle?: boolean | undefined } = {}): Promise<void> {
    await this.#targets.close(options);
  }
}
