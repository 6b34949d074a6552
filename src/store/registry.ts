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

/** A name as the user wrote it. If an image has exactly this name, `repo` and `tag` mean that image. */
export interface GivenName {
  readonly name: string;
  readonly repo: RepoName;
  readonly tag: Tag;
  /** The name in full. @throws INVALID_REFERENCE for a name that is no reference */
  full(): string;
}

interface StoreRegistryOptions {
  readonly blobs: BlobDirectory;
  readonly images: ImageStore;
  readonly limits: Limits;
  readonly prepare: () => Promise<void>;
  /** Keeps blobs that this registry writes from being collected before they have a name. */
  readonly lease: LeaseKeeper;
  /** Also protect blobs that are only resolved: a writer does not push a blob that it finds. */
  readonly eager: boolean;
  readonly given?: GivenName | undefined;
  readonly close: () => Promise<void>;
}

/**
 * A store as a registry, so that verbs use it like any other. Names of repositories include the host
 * (repository-names.ts). Images may be partial.
 */
export class StoreRegistry extends DirectoryRegistry implements Registry {
  readonly name: string;
  readonly #images: ImageStore;
  readonly #options: StoreRegistryOptions;

  constructor(name: string, options: StoreRegistryOptions) {
    super(options.blobs, options.limits);
    this.name = name;
    this.#images = options.images;
    this.#options = options;
  }

  protected override async willUse(digest: Digest): Promise<void> {
    await this.#options.prepare();
    await this.#options.lease.protect(digest);
  }

  /** Protects a blob before a writer finds it: the writer does not push a blob that it finds. */
  async #willFind(digest: Digest): Promise<void> {
    if (this.#options.eager || this.#options.lease.active) await this.willUse(digest);
  }

  override async resolveBlob(repo: RepoName, digest: Digest): Promise<Descriptor> {
    // A missing blob needs no protection. An existing one may be collected before it is protected: look again.
    await super.resolveBlob(repo, digest);
    await this.#willFind(digest);
    return super.resolveBlob(repo, digest);
  }

  /** Other names may lead to the same blob, so only a garbage collection removes it. */
  override async deleteBlob(): Promise<void> {
    throw unsupported(this.name, "deleting blobs; delete names, then collect garbage");
  }

  /** Names an image that was pushed by its digest. Without a name it would be collected. */
  async nameDigest(repo: RepoName, descriptor: Descriptor): Promise<void> {
    await this.#images.set(`${fullRepository(repo)}@${descriptor.digest}`, descriptor);
  }

  /** Call this when all written images have names. @throws LOCK_LOST where blobs may have been collected meanwhile */
  checkLease(): Promise<void> {
    return this.#options.lease.check();
  }

  /** Ends the protection of what this registry wrote. */
  async release(): Promise<void> {
    await this.#options.lease.release();
  }

  override async close(): Promise<void> {
    await super.close();
    await this.release();
    await this.#options.close();
  }

  protected override prepareWrite(): Promise<void> {
    return this.#options.prepare();
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

  /** Other names may lead to the same manifest, so only a garbage collection removes it. */
  async deleteManifest(): Promise<void> {
    throw unsupported(this.name, "deleting manifests; delete their names");
  }

  async deleteTag(repo: RepoName, tag: Tag): Promise<void> {
    await this.#images.delete(await this.#nameOf(repo, tag));
  }

  async #nameOf(repo: RepoName, tag: string): Promise<string> {
    const { given } = this.#options;
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

/** The name that a store has for a tag of a repository. */
export function nameOf(repo: RepoName, tag: string): string {
  return `${fullRepository(repo)}:${tag}`;
}

/** The repository and tag of a name; undefined for a name that is no reference. */
function referenceOf(name: string): { repo: RepoName; tag: Tag | undefined } | undefined {
  try {
    const reference = parseRef(name);
    // A tag beside a digest is only for display; it is not a tag of the repository.
    return { repo: repositoryOf(reference), tag: reference.digest === undefined ? reference.tag : undefined };
  } catch (error) {
    if (isGantryError(error, "INVALID_REFERENCE")) return undefined;
    throw error;
  }
}
