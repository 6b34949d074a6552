import { isGantryError } from "../base/error.ts";
import type { Limits } from "../base/limits.ts";
import type { BlobDirectory } from "../content/blob-directory.ts";
import { bytesContent } from "../content/source.ts";
import { parseRef, type RepoName, type Tag } from "../reference/reference.ts";
import { manifestDigest } from "../registry/expected.ts";
import { DirectoryRegistry } from "../registry/layout/directory.ts";
import { manifestUnknown, unsupported } from "../registry/refusals.ts";
import type { CallOptions, PushManifestOptions, Registry, StoredManifest } from "../registry/registry.ts";
import { type Digest, isDigest } from "../spec/digest.ts";
import type { Descriptor } from "../spec/types.ts";
import type { ImageStore } from "./images.ts";
import type { LeaseKeeper } from "./lease-keeper.ts";
import { fullRepository, repositoryOf } from "./repository-names.ts";

/** A name as its user wrote it. Where there is an image of exactly this name, `repo` and `tag` mean that one. */
export interface GivenName {
  readonly name: string;
  readonly repo: RepoName;
  readonly tag: Tag;
  /** The name in full. @throws INVALID_REFERENCE for a name that is no reference */
  full(): string;
}

interface StoreParts {
  readonly blobs: BlobDirectory;
  readonly images: ImageStore;
  readonly limits: Limits;
  readonly prepare: () => Promise<void>;
  /** Keeps what this registry writes from being collected before it has a name. */
  readonly lease: LeaseKeeper;
  /** Whether to protect also what is only asked after: for somebody who writes an image, that means it is there. */
  readonly eager: boolean;
  readonly given?: GivenName | undefined;
  readonly close: () => Promise<void>;
}

/**
 * A store as a registry, so that every verb reads it as it reads any other. Repositories are called by their hosts and
 * paths (repository-names.ts). Images may be partial.
 */
export class StoreRegistry extends DirectoryRegistry implements Registry {
  readonly name: string;
  readonly #images: ImageStore;
  readonly #parts: StoreParts;

  constructor(name: string, parts: StoreParts) {
    super(parts.blobs, parts.limits);
    this.name = name;
    this.#images = parts.images;
    this.#parts = parts;
  }

  protected override async willUse(digest: Digest): Promise<void> {
    await this.#parts.prepare();
    await this.#parts.lease.protect(digest);
  }

  /** Protects what a caller is about to find, where finding it means that it need not be brought. */
  async #willFind(digest: Digest): Promise<void> {
    if (this.#parts.eager || this.#parts.lease.active) await this.willUse(digest);
  }

  override async resolveBlob(repo: RepoName, digest: Digest): Promise<Descriptor> {
    // What is not there needs no protection; what is there is looked at again once it has it.
    await super.resolveBlob(repo, digest);
    await this.#willFind(digest);
    return super.resolveBlob(repo, digest);
  }

  /** Bytes may be wanted by other names: only garbage collection takes them away. */
  override async deleteBlob(): Promise<void> {
    throw unsupported(this.name, "deleting blobs; delete names, then collect garbage");
  }

  /** Gives an image that was written under its digest a name, without which it would be collected. */
  async nameDigest(repo: RepoName, descriptor: Descriptor): Promise<void> {
    await this.#images.set(`${fullRepository(repo)}@${descriptor.digest}`, descriptor);
  }

  /** To be called when what was written has its names. @throws LOCK_LOST where some of it may have been collected before */
  checkLease(): Promise<void> {
    return this.#parts.lease.check();
  }

  /** Ends the protection of what this registry wrote; by now it has names. */
  async release(): Promise<void> {
    await this.#parts.lease.release();
  }

  override async close(): Promise<void> {
    await super.close();
    await this.release();
    await this.#parts.close();
  }

  protected override prepareWrite(): Promise<void> {
    return this.#parts.prepare();
  }

  async resolveManifest(repo: RepoName, reference: Tag | Digest): Promise<Descriptor> {
    if (isDigest(reference)) {
      const found = await this.describeManifest(reference);
      if (found) {
        await this.#willFind(reference);
        if (await this.blobs.has(found)) return found;
      }
      throw manifestUnknown(this.name, repo, reference);
    }
    const { mediaType, digest, size } = (await this.#images.get(await this.#nameOf(repo, reference))).target;
    return { mediaType, digest, size };
  }

  async getManifest(repo: RepoName, reference: Tag | Digest, options: CallOptions = {}): Promise<StoredManifest> {
    return this.readManifest(await this.resolveManifest(repo, reference), options);
  }

  async pushManifest(
    repo: RepoName,
    bytes: Uint8Array,
    mediaType: string,
    options: PushManifestOptions = {},
  ): Promise<Descriptor> {
    await this.prepareWrite();
    const descriptor: Descriptor = { mediaType, digest: manifestDigest(bytes, options), size: bytes.byteLength };
    await this.willUse(descriptor.digest);
    await this.blobs.write(
      descriptor,
      async () => bytesContent(descriptor, bytes, `manifest ${descriptor.digest}`),
      options,
    );
    if (options.tags?.length) await this.blobs.sync();
    for (const tag of options.tags ?? []) await this.#images.set(await this.#nameOf(repo, tag), descriptor);
    return descriptor;
  }

  /** Bytes may be wanted by other names: only garbage collection takes them away. */
  async deleteManifest(): Promise<void> {
    throw unsupported(this.name, "deleting manifests; delete their names");
  }

  async deleteTag(repo: RepoName, tag: Tag): Promise<void> {
    await this.#images.delete(await this.#nameOf(repo, tag));
  }

  async #nameOf(repo: RepoName, tag: string): Promise<string> {
    const { given } = this.#parts;
    if (given?.repo !== repo || given.tag !== tag) return nameOf(repo, tag);
    try {
      return (await this.#images.get(given.name)).name;
    } catch (error) {
      if (!isGantryError(error, "IMAGE_NOT_FOUND")) throw error;
      return given.full();
    }
  }

  async *repositories(): AsyncGenerator<RepoName> {
    const names = (await this.#images.list()).flatMap(({ name }) => referenceOf(name)?.repo ?? []);
    yield* [...new Set(names)].sort();
  }

  async *tags(repo: RepoName): AsyncGenerator<Tag> {
    const wanted = repositoryOf(parseRef(fullRepository(repo)));
    for (const { name } of await this.#images.list()) {
      const found = referenceOf(name);
      if (found?.tag !== undefined && found.repo === wanted) yield found.tag;
    }
  }

  // biome-ignore lint/correctness/useYield: a store keeps no list of referrers
  async *referrers(): AsyncGenerator<Descriptor> {
    throw unsupported(this.name, "listing referrers");
  }
}

/** The name of a tag in full. */
export function nameOf(repo: RepoName, tag: string): string {
  return `${fullRepository(repo)}:${tag}`;
}

/** What a name says as a reference; undefined for names that are none: a store takes any. */
function referenceOf(name: string): { repo: RepoName; tag: Tag | undefined } | undefined {
  try {
    const reference = parseRef(name);
    // With a digest beside it a tag is only shown.
    return { repo: repositoryOf(reference), tag: reference.digest === undefined ? reference.tag : undefined };
  } catch (error) {
    if (isGantryError(error, "INVALID_REFERENCE")) return undefined;
    throw error;
  }
}
