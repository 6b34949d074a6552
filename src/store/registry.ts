import { isGantryError } from "../base/error.ts";
import { checkLimit, type Limits } from "../base/limits.ts";
import type { BlobDirectory } from "../content/blob-directory.ts";
import { bytesContent } from "../content/source.ts";
import { formatReference, parseReference, type RepoName, type Tag } from "../reference/reference.ts";
import { DirectoryRegistry } from "../registry/layout/directory.ts";
import {
  type CallOptions,
  manifestDigest,
  manifestUnknown,
  type PushManifestOptions,
  type Registry,
  type StoredManifest,
  unsupported,
} from "../registry/registry.ts";
import { type Digest, isDigest } from "../spec/digest.ts";
import type { Descriptor } from "../spec/types.ts";
import type { ImageStore } from "./images.ts";

/**
 * A store as a registry, so that every verb reads it as it reads any other. Repositories are called by their full
 * names, host included (`docker.io/library/alpine`). Images may be partial.
 */
export class StoreRegistry extends DirectoryRegistry implements Registry {
  readonly name: string;
  readonly #images: ImageStore;
  readonly #prepare: () => Promise<void>;

  constructor(
    name: string,
    parts: {
      readonly blobs: BlobDirectory;
      readonly images: ImageStore;
      readonly limits: Limits;
      readonly prepare: () => Promise<void>;
    },
  ) {
    super(parts.blobs, parts.limits);
    this.name = name;
    this.#images = parts.images;
    this.#prepare = parts.prepare;
  }

  protected override prepareWrite(): Promise<void> {
    return this.#prepare();
  }

  async resolveManifest(repo: RepoName, reference: Tag | Digest): Promise<Descriptor> {
    if (isDigest(reference)) {
      const found = await this.describeManifest(reference);
      if (found) return found;
      throw manifestUnknown(this.name, repo, reference);
    }
    try {
      const { mediaType, digest, size } = (await this.#images.get(nameOf(repo, reference))).target;
      return { mediaType, digest, size };
    } catch (error) {
      throw isGantryError(error, "NAME_UNKNOWN") ? manifestUnknown(this.name, repo, reference) : error;
    }
  }

  async getManifest(repo: RepoName, reference: Tag | Digest, options: CallOptions = {}): Promise<StoredManifest> {
    const descriptor = await this.resolveManifest(repo, reference);
    checkLimit(this.limits, "metadataBytes", descriptor.size, `manifest ${descriptor.digest} of ${this.name}`);
    return { descriptor, bytes: await (await this.blobs.read(descriptor)).bytes(options) };
  }

  async pushManifest(
    repo: RepoName,
    bytes: Uint8Array,
    mediaType: string,
    options: PushManifestOptions = {},
  ): Promise<Descriptor> {
    await this.prepareWrite();
    const descriptor: Descriptor = { mediaType, digest: manifestDigest(bytes, options), size: bytes.byteLength };
    await this.blobs.write(
      descriptor,
      async () => bytesContent(descriptor, bytes, `manifest ${descriptor.digest}`),
      options,
    );
    if (options.tags?.length) await this.blobs.sync();
    for (const tag of options.tags ?? []) await this.#images.set(nameOf(repo, tag), descriptor);
    return descriptor;
  }

  /** Bytes may be wanted by other names: only garbage collection takes them away. */
  async deleteManifest(): Promise<void> {
    throw unsupported(this.name, "deleting manifests; delete their names");
  }

  async deleteTag(repo: RepoName, tag: Tag): Promise<void> {
    await this.#images.delete(nameOf(repo, tag));
  }

  async *repositories(): AsyncGenerator<RepoName> {
    const names = (await this.#images.list()).map(({ name }) => repositoryOf(name));
    yield* [...new Set(names)].sort();
  }

  async *tags(repo: RepoName): AsyncGenerator<Tag> {
    const wanted = repositoryOf(repo);
    for (const { name } of await this.#images.list()) {
      const { tag } = parseReference(name);
      if (tag !== undefined && repositoryOf(name) === wanted) yield tag;
    }
  }

  // biome-ignore lint/correctness/useYield: a store keeps no list of referrers
  async *referrers(): AsyncGenerator<Descriptor> {
    throw unsupported(this.name, "listing referrers");
  }
}

/** The name of a tag in full: a repository that a client calls `app` is Docker Hub's, as everywhere else. */
function nameOf(repo: RepoName, tag: string): string {
  return formatReference(parseReference(`${repo}:${tag}`));
}

/** The repository of a name in a store, host included. */
export function repositoryOf(name: string): RepoName {
  const { host, repository } = parseReference(name);
  return `${host}/${repository}` as RepoName;
}
