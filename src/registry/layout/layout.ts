import { basename, resolve } from "node:path";
import { withoutUndefined } from "../../base/defined.ts";
import { GantryError } from "../../base/error.ts";
import type { Limits } from "../../base/limits.ts";
import { Once } from "../../base/once.ts";
import { BlobDirectory } from "../../content/blob-directory.ts";
import type { Content } from "../../content/content.ts";
import { bytesContent } from "../../content/source.ts";
import type { RepoName, Tag } from "../../reference/reference.ts";
import { type Digest, isDigest } from "../../spec/digest.ts";
import { summarizeManifest } from "../../spec/summary.ts";
import type { Descriptor } from "../../spec/types.ts";
import { manifestDigest } from "../expected.ts";
import { manifestUnknown, missingChildren, repositoryUnknown } from "../refusals.ts";
import type {
  CallOptions,
  ListOptions,
  PushManifestOptions,
  ReferrersOptions,
  Registry,
  StoredManifest,
} from "../registry.ts";
import { missingIn, nestedIn, reachableFrom } from "./children.ts";
import { DirectoryRegistry } from "./directory.ts";
import { entryNameOf, entryOf } from "./entries.ts";
import { IndexFile } from "./index-file.ts";
import { onlyManifest, repositoryName } from "./names.ts";

export interface LayoutOptions {
  readonly limits?: Limits | undefined;
  /** Create the directory where it is missing. Default: false. */
  readonly create?: boolean | undefined;
  /** Accept manifests whose children are missing, as in a partial image. Default: false. */
  readonly sparse?: boolean | undefined;
}

/**
 * An OCI image layout as a registry (image-spec image-layout.md). One directory holds many repositories: the ref.name
 * `TAG` is a tag of the default repository, which other tools read and write; `REPO:TAG` is a tag of the repository
 * `REPO`. All repositories share the blobs.
 */
export class LayoutRegistry extends DirectoryRegistry implements Registry {
  readonly name: string;
  /** The repository whose tags are bare ref.names. It has the name of the directory. */
  readonly defaultRepository: RepoName;
  readonly #index: IndexFile;
  readonly #options: LayoutOptions;
  readonly #created: Once<void>;

  constructor(directory: string, options: LayoutOptions = {}) {
    const root = resolve(directory);
    const name = `oci:${directory}`;
    super(new BlobDirectory(root, { name, limits: options.limits, shared: true }), options.limits);
    this.name = name;
    this.defaultRepository = repositoryName(basename(root));
    this.#index = new IndexFile(root, { limits: options.limits, shared: true });
    this.#created = new Once(() => this.#index.create());
    this.#options = options;
  }

  protected override async prepareWrite(): Promise<void> {
    if (this.#options.create) await this.#created.get();
    else await this.#index.read();
  }

  #nameOf(entry: Descriptor): { readonly repo: RepoName; readonly tag: Tag | undefined } | undefined {
    const name = entryNameOf(entry);
    return name && { repo: name.repo ?? this.defaultRepository, tag: name.tag };
  }

  #entry(descriptor: Descriptor, repo: RepoName, tag?: Tag): Descriptor {
    return entryOf(descriptor, { repo: repo === this.defaultRepository ? undefined : repo, tag });
  }

  async #find(repo: RepoName, reference: Tag | Digest): Promise<Descriptor> {
    const { manifests } = await this.#index.read();
    const wanted = (entry: Descriptor): boolean => {
      const name = this.#nameOf(entry);
      return isDigest(reference) ? entry.digest === reference : name?.repo === repo && name.tag === reference;
    };
    const matches = manifests.filter(wanted);
    if (new Set(matches.map((entry) => entry.digest)).size > 1) {
      throw new GantryError(
        "AMBIGUOUS_DOCUMENT",
        `${this.name}: index.json lists ${matches.length} manifests called ${reference}; name one by its digest: ${matches.map((entry) => entry.digest).join(", ")}`,
      );
    }
    if (matches[0]) return matches[0];
    const found = isDigest(reference) ? await this.describeManifest(reference) : undefined;
    if (found) return found;
    throw manifestUnknown(this.name, repo, reference);
  }

  /** The manifest of a layout that has only one, whatever its name. @throws MANIFEST_UNKNOWN, USAGE */
  async onlyManifest(): Promise<Descriptor> {
    return onlyManifest(this.name, this.defaultRepository, (await this.#index.read()).manifests);
  }

  async getManifest(repo: RepoName, reference: Tag | Digest, options: CallOptions = {}): Promise<StoredManifest> {
    return this.readManifest(await this.resolveManifest(repo, reference), options);
  }

  async resolveManifest(repo: RepoName, reference: Tag | Digest): Promise<Descriptor> {
    const { mediaType, digest, size } = await this.#find(repo, reference);
    return { mediaType, digest, size };
  }

  async pushManifest(
    repo: RepoName,
    bytes: Uint8Array,
    mediaType: string,
    options: PushManifestOptions = {},
  ): Promise<Descriptor> {
    await this.prepareWrite();
    const { children } = summarizeManifest(bytes);
    const missing = this.#options.sparse ? [] : await missingIn(this.blobs, children);
    if (missing.length > 0) throw missingChildren(this.name, repo, missing);
    const descriptor: Descriptor = { mediaType, digest: manifestDigest(bytes, options), size: bytes.byteLength };
    const source = async (): Promise<Content> => bytesContent(descriptor, bytes, `manifest ${descriptor.digest}`);
    await this.blobs.write(descriptor, source, options);
    await this.blobs.sync();
    const tags = options.tags ?? [];
    const nested = await nestedIn(this.blobs, children);
    await this.#index.update((entries) => {
      const replaced = (entry: Descriptor): boolean => {
        const name = this.#nameOf(entry);
        if (name?.repo !== repo) return false;
        // A tag moves. An untagged entry is not needed once a tag, or an index, leads to the manifest.
        if (name.tag !== undefined) return tags.includes(name.tag);
        return entry.digest === descriptor.digest || nested.has(entry.digest);
      };
      const named = tags.map((tag) => this.#entry(descriptor, repo, tag));
      const listed = entries.some((entry) => entry.digest === descriptor.digest && this.#nameOf(entry)?.repo === repo);
      const added = named.length > 0 ? named : listed ? [] : [this.#entry(descriptor, repo)];
      return added.length === 0 ? entries : [...entries.filter((entry) => !replaced(entry)), ...added];
    }, options);
    return descriptor;
  }

  async deleteManifest(repo: RepoName, digest: Digest, options: CallOptions = {}): Promise<void> {
    await this.#find(repo, digest);
    let elsewhere = false;
    await this.#index.update((entries) => {
      const kept = entries.filter((entry) => entry.digest !== digest || this.#nameOf(entry)?.repo !== repo);
      elsewhere = kept.some((entry) => entry.digest === digest);
      return kept.length === entries.length ? entries : kept;
    }, options);
    if (elsewhere) return;
    const roots = (await this.#index.read()).manifests.map((entry) => entry.digest);
    const reachable = await reachableFrom(roots, this.blobs, this.name, this.limits);
    if (!reachable.has(digest)) await this.blobs.delete(digest);
  }

  async deleteTag(repo: RepoName, tag: Tag, options: CallOptions = {}): Promise<void> {
    await this.#index.update((entries) => {
      const found = entries.find((entry) => {
        const name = this.#nameOf(entry);
        return name?.repo === repo && name.tag === tag;
      });
      if (!found) throw manifestUnknown(this.name, repo, tag);
      const rest = entries.filter((entry) => entry !== found);
      const listed = rest.some((entry) => entry.digest === found.digest && this.#nameOf(entry)?.repo === repo);
      return listed ? rest : [...rest, this.#entry(found, repo)];
    }, options);
  }

  async *repositories({ after }: ListOptions = {}): AsyncGenerator<RepoName> {
    const { manifests } = await this.#index.read();
    const names = manifests.map((entry) => this.#nameOf(entry)?.repo).filter((name) => name !== undefined);
    yield* [...new Set(names)].sort().filter((name) => after === undefined || name > after);
  }

  async *tags(repo: RepoName, { after }: ListOptions = {}): AsyncGenerator<Tag> {
    const { manifests } = await this.#index.read();
    const names = manifests.map((entry) => this.#nameOf(entry)).filter((name) => name?.repo === repo);
    if (names.length === 0) throw repositoryUnknown(this.name, repo);
    const tags = names.flatMap((name) => name?.tag ?? []).sort();
    yield* tags.filter((tag) => after === undefined || tag > after);
  }

  async *referrers(repo: RepoName, digest: Digest, options: ReferrersOptions = {}): AsyncGenerator<Descriptor> {
    const { manifests } = await this.#index.read();
    const seen = new Set<Digest>();
    for (const entry of manifests) {
      if (seen.has(entry.digest) || !isDigest(entry.digest) || this.#nameOf(entry)?.repo !== repo) continue;
      seen.add(entry.digest);
      const { bytes, descriptor } = await this.getManifest(repo, entry.digest);
      const { subject, artifactType, annotations } = summarizeManifest(bytes);
      if (subject !== digest || (options.artifactType && options.artifactType !== artifactType)) continue;
      yield withoutUndefined({ ...descriptor, artifactType, annotations });
    }
  }
}
