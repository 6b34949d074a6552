import type { Content, Expected } from "../../content/content.ts";
import type { BlobSource } from "../../content/source.ts";
import type { RepoName, Tag } from "../../reference/reference.ts";
import type { Digest } from "../../spec/digest.ts";
import type { Descriptor } from "../../spec/types.ts";
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
import { CacheEntries, type RegistryCacheOptions } from "./entries.ts";
import { CachingReader } from "./reader.ts";

/**
 * A registry with a cache: manifests and small blobs by their digests, and the digests of tags for a while. Callers
 * that ask for the same thing at the same time share one request. A push adds to the cache, a delete removes from it;
 * errors are never kept. `fresh` in the options of a call asks the registry itself.
 */
export function registryCache(registry: Registry, options: RegistryCacheOptions = {}): Registry {
  return new CachingRegistry(registry, options);
}

class CachingRegistry implements Registry {
  readonly name: string;
  readonly #inner: Registry;
  readonly #entries: CacheEntries;
  readonly #reader: CachingReader;

  constructor(inner: Registry, options: RegistryCacheOptions) {
    this.name = inner.name;
    this.#inner = inner;
    this.#entries = new CacheEntries(options);
    this.#reader = new CachingReader(inner, this.#entries);
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

  async pushBlob(
    repo: RepoName,
    descriptor: Descriptor,
    source: BlobSource,
    options?: PushBlobOptions,
  ): Promise<Descriptor> {
    const pushed = await this.#inner.pushBlob(repo, descriptor, source, options);
    this.#entries.set("blob", repo, descriptor);
    return pushed;
  }

  openUpload(repo: RepoName, options?: OpenUploadOptions): Promise<BlobUpload> {
    return this.#inner.openUpload(repo, options);
  }

  async mountBlob(from: RepoName, to: RepoName, digest: Digest, options?: CallOptions): Promise<Descriptor> {
    const mounted = await this.#inner.mountBlob(from, to, digest, options);
    this.#entries.set("blob", to, mounted);
    return mounted;
  }

  async pushManifest(
    repo: RepoName,
    bytes: Uint8Array,
    mediaType: string,
    options: PushManifestOptions = {},
  ): Promise<Descriptor> {
    const pushed = await this.#inner.pushManifest(repo, bytes, mediaType, options);
    this.#entries.set("manifest", repo, pushed, bytes);
    for (const tag of options.tags ?? []) this.#entries.tag(repo, tag, { digest: pushed.digest, proved: true });
    return pushed;
  }

  async deleteBlob(repo: RepoName, digest: Digest, options?: CallOptions): Promise<void> {
    this.#entries.delete("blob", repo, digest);
    await this.#inner.deleteBlob(repo, digest, options);
    // A reader may have added it again meanwhile.
    this.#entries.delete("blob", repo, digest);
  }

  async deleteManifest(repo: RepoName, digest: Digest, options?: CallOptions): Promise<void> {
    await this.#inner.deleteManifest(repo, digest, options);
    this.#entries.deleteManifest(repo, digest);
  }

  async deleteTag(repo: RepoName, tag: Tag, options?: CallOptions): Promise<void> {
    await this.#inner.deleteTag(repo, tag, options);
    this.#entries.untag(repo, tag);
  }

  repositories(options?: ListOptions): AsyncIterable<RepoName> {
    return this.#inner.repositories(options);
  }

  tags(repo: RepoName, options?: ListOptions): AsyncIterable<Tag> {
    return this.#inner.tags(repo, options);
  }

  referrers(repo: RepoName, digest: Digest, options?: ReferrersOptions): AsyncIterable<Descriptor> {
    return this.#inner.referrers(repo, digest, options);
  }

  async close(): Promise<void> {
    this.#entries.clear();
    await this.#inner.close();
  }
}
