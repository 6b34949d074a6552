import type { Content, Expected } from "../../content/content.ts";
import type { BlobSource } from "../../content/source.ts";
import type { RepoName, Tag } from "../../reference/reference.ts";
import { expectedOf } from "../../registry/expected.ts";
import { DirectoryRegistry } from "../../registry/layout/directory.ts";
import { manifestUnknown } from "../../registry/refusals.ts";
import type {
  CallOptions,
  GetBlobOptions,
  ListOptions,
  PushManifestOptions,
  RangeContent,
  Registry,
  StoredManifest,
} from "../../registry/registry.ts";
import { type Digest, isDigest } from "../../spec/digest.ts";
import type { Descriptor } from "../../spec/types.ts";
import { RepositoryContents } from "./contents.ts";
import { RepositoryDeleter } from "./deleter.ts";
import { RepositoryLister } from "./lister.ts";
import type { RepositoryOptions } from "./options.ts";
import { pushManifest } from "./writer.ts";

/**
 * A directory of many repositories over shared bytes (docs/decisions/0007). Each repository has its own blobs,
 * manifests, referrers and tags, and shows no others, even where the bytes exist. A delete removes content from one
 * repository only.
 */
export class RepositoryRegistry extends DirectoryRegistry implements Registry {
  readonly name: string;
  readonly #options: RepositoryOptions;
  readonly #contents: RepositoryContents;
  readonly #deleter: RepositoryDeleter;
  readonly #lister: RepositoryLister;

  constructor(options: RepositoryOptions) {
    super(options.blobs, options.limits);
    this.name = options.name;
    this.#options = options;
    this.#contents = new RepositoryContents(options);
    this.#deleter = new RepositoryDeleter(this.#contents);
    this.#lister = new RepositoryLister(this.#contents);
  }

  /** Creates a missing directory, and exports the changes that a killed process did not export. */
  async ready(): Promise<void> {
    await this.#options.prepare();
    this.#options.tags.changed();
  }

  protected override prepareWrite(): Promise<void> {
    return this.#options.prepare();
  }

  protected override willUse(digest: Digest): Promise<void> {
    return this.#contents.protect(digest);
  }

  /** Links the blob before its bytes are published: a delete at the same time sees the link and keeps the bytes. */
  protected override proved(repo: RepoName, digest: Digest): Promise<void> {
    return this.#contents.linkBlob(repo, digest);
  }

  override async getBlob(repo: RepoName, blob: Digest | Expected, options: GetBlobOptions = {}): Promise<Content> {
    await this.#contents.requireBlob(repo, expectedOf(blob).digest);
    return super.getBlob(repo, blob, options);
  }

  override async getBlobRange(
    repo: RepoName,
    blob: Expected,
    range: { start: number; end: number },
  ): Promise<RangeContent> {
    await this.#contents.requireBlob(repo, expectedOf(blob).digest);
    return super.getBlobRange(repo, blob, range);
  }

  override async resolveBlob(repo: RepoName, digest: Digest): Promise<Descriptor> {
    await this.#contents.requireBlob(repo, digest);
    // A client does not push a blob that it finds, so the blob must stay from now on.
    await this.willUse(digest);
    return super.resolveBlob(repo, digest);
  }

  override async pushBlob(
    repo: RepoName,
    descriptor: Descriptor,
    source: BlobSource,
    options: CallOptions = {},
  ): Promise<Descriptor> {
    for (;;) {
      await super.pushBlob(repo, descriptor, source, options);
      await this.#contents.linkBlob(repo, descriptor.digest);
      // A delete in another repository may have removed the bytes before the link existed.
      if (!source.replayable || (await this.blobs.has(descriptor))) return descriptor;
    }
  }

  /** @throws BLOB_UNKNOWN where the first repository does not have it */
  override async mountBlob(from: RepoName, to: RepoName, digest: Digest): Promise<Descriptor> {
    await this.#contents.requireBlob(from, digest);
    await this.willUse(digest);
    await this.#contents.linkBlob(to, digest);
    return super.resolveBlob(to, digest);
  }

  override deleteBlob(repo: RepoName, digest: Digest): Promise<void> {
    return this.#deleter.deleteBlob(repo, digest);
  }

  async resolveManifest(repo: RepoName, reference: Tag | Digest): Promise<Descriptor> {
    await this.#options.prepare();
    const found = isDigest(reference)
      ? (await this.#contents.manifest(repo, reference))?.descriptor
      : await this.#options.tags.get(repo, reference as Tag);
    if (found && (await this.blobs.size(found.digest)) !== undefined) {
      await this.willUse(found.digest);
      return found;
    }
    throw manifestUnknown(this.name, repo, reference);
  }

  async getManifest(repo: RepoName, reference: Tag | Digest, options: CallOptions = {}): Promise<StoredManifest> {
    return this.readManifest(await this.resolveManifest(repo, reference), options);
  }

  pushManifest(
    repo: RepoName,
    bytes: Uint8Array,
    mediaType: string,
    options: PushManifestOptions = {},
  ): Promise<Descriptor> {
    return pushManifest(this.#contents, repo, bytes, mediaType, options);
  }

  deleteManifest(repo: RepoName, digest: Digest): Promise<void> {
    return this.#deleter.deleteManifest(repo, digest);
  }

  deleteTag(repo: RepoName, tag: Tag): Promise<void> {
    return this.#deleter.deleteTag(repo, tag);
  }

  repositories(options?: ListOptions): AsyncGenerator<RepoName> {
    return this.#lister.repositories(options);
  }

  tags(repo: RepoName, options?: ListOptions): AsyncGenerator<Tag> {
    return this.#lister.tags(repo, options);
  }

  referrers(
    repo: RepoName,
    digest: Digest,
    options?: ListOptions & { readonly artifactType?: string | undefined },
  ): AsyncGenerator<Descriptor> {
    return this.#lister.referrers(repo, digest, options);
  }

  override async close(): Promise<void> {
    await super.close();
    await this.#options.close();
  }
}
