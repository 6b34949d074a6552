import { basename, resolve } from "node:path";
import { GantryError } from "../../base/error.ts";
import { checkLimit, type Limits } from "../../base/limits.ts";
import { BlobDirectory } from "../../content/blob-directory.ts";
import type { Content } from "../../content/content.ts";
import { bytesContent } from "../../content/source.ts";
import { parseRepoName, type RepoName, type Tag } from "../../reference/reference.ts";
import { annotationKeys } from "../../spec/annotations.ts";
import { type Digest, isDigest } from "../../spec/digest.ts";
import { type ManifestSummary, summarizeManifest } from "../../spec/sniff.ts";
import type { Descriptor } from "../../spec/types.ts";
import { manifestDigest } from "../expected.ts";
import { manifestUnknown, missingChildren, repositoryUnknown } from "../refusals.ts";
import type { CallOptions, ListOptions, PushManifestOptions, Registry, StoredManifest } from "../registry.ts";
import { DirectoryRegistry } from "./directory.ts";
import { entryOf, placeOf } from "./entries.ts";
import { IndexFile } from "./index-file.ts";

export interface LayoutOptions {
  readonly limits?: Limits | undefined;
  /** Make the directory where it is absent. */
  readonly create?: boolean | undefined;
  /** Accept manifests whose children are not all there, as a partial image has them. Default: false. */
  readonly sparse?: boolean | undefined;
}

/**
 * An OCI image layout as a registry (image-spec image-layout.md). One directory holds many repositories: the ref.name
 * `TAG` is a tag of the default repository, which other tools read and write, and `REPO:TAG` one of another. Blobs
 * are shared by all of them.
 */
export class LayoutRegistry extends DirectoryRegistry implements Registry {
  readonly name: string;
  /** The repository whose tags are bare ref.names; it is called as the directory is. */
  readonly defaultRepository: RepoName;
  readonly #index: IndexFile;
  readonly #options: LayoutOptions;
  #created: Promise<void> | undefined;

  constructor(directory: string, options: LayoutOptions = {}) {
    const root = resolve(directory);
    const name = `oci:${directory}`;
    super(new BlobDirectory(root, { name, limits: options.limits, shared: true }), options.limits);
    this.name = name;
    this.defaultRepository = repositoryName(basename(root));
    this.#index = new IndexFile(root, { limits: options.limits, shared: true });
    this.#options = options;
  }

  protected override async prepareWrite(): Promise<void> {
    if (!this.#options.create) return void (await this.#index.read());
    this.#created ??= this.#index.create();
    const created = this.#created;
    created.catch(() => {
      if (this.#created === created) this.#created = undefined;
    });
    await created;
  }

  #place(entry: Descriptor): { readonly repo: RepoName; readonly tag?: Tag | undefined } | undefined {
    const place = placeOf(entry);
    return place && { repo: place.repo ?? this.defaultRepository, tag: place.tag };
  }

  #entry(descriptor: Descriptor, repo: RepoName, tag?: Tag): Descriptor {
    return entryOf(descriptor, { repo: repo === this.defaultRepository ? undefined : repo, tag });
  }

  async #find(repo: RepoName, reference: Tag | Digest): Promise<Descriptor> {
    const { manifests } = await this.#index.read();
    const wanted = (entry: Descriptor): boolean => {
      const place = this.#place(entry);
      return isDigest(reference) ? entry.digest === reference : place?.repo === repo && place.tag === reference;
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

  /** The manifest of a layout that holds just one, whatever it is called. @throws MANIFEST_UNKNOWN, USAGE */
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
    if (!this.#options.sparse) await this.#requireChildren(repo, children);
    const descriptor: Descriptor = { mediaType, digest: manifestDigest(bytes, options), size: bytes.byteLength };
    const source = async (): Promise<Content> => bytesContent(descriptor, bytes, `manifest ${descriptor.digest}`);
    await this.blobs.write(descriptor, source, options);
    await this.blobs.sync();
    const tags = options.tags ?? [];
    const nested = await this.#nested(children);
    await this.#index.update((entries) => {
      const replaced = (entry: Descriptor): boolean => {
        const place = this.#place(entry);
        if (place?.repo !== repo) return false;
        // A tag moves; an untagged entry goes when it has a name, or a parent that leads to it.
        if (place.tag !== undefined) return tags.includes(place.tag);
        return entry.digest === descriptor.digest || nested.has(entry.digest);
      };
      const named = tags.map((tag) => this.#entry(descriptor, repo, tag));
      const listed = entries.some((entry) => entry.digest === descriptor.digest && this.#place(entry)?.repo === repo);
      const added = named.length > 0 ? named : listed ? [] : [this.#entry(descriptor, repo)];
      return added.length === 0 ? entries : [...entries.filter((entry) => !replaced(entry)), ...added];
    }, options);
    return descriptor;
  }

  /** Of the children of an index those that it alone leads to: a referrer is found by its own entry. */
  async #nested(children: ManifestSummary["children"]): Promise<ReadonlySet<string>> {
    const nested = new Set<string>();
    for (const { digest, kind } of children) {
      if (kind !== "manifest" || !isDigest(digest) || !(await this.blobs.has({ digest }))) continue;
      const bytes = await (await this.blobs.read({ digest })).bytes();
      if (summarizeManifest(bytes).subject === undefined) nested.add(digest);
    }
    return nested;
  }

  async #requireChildren(
    repo: RepoName,
    children: readonly { readonly digest: string; readonly foreign: boolean }[],
  ): Promise<void> {
    const missing: string[] = [];
    for (const { digest, foreign } of children) {
      if (!foreign && !(isDigest(digest) && (await this.blobs.has({ digest })))) missing.push(digest);
    }
    if (missing.length > 0) throw missingChildren(this.name, repo, missing);
  }

  async deleteManifest(repo: RepoName, digest: Digest, options: CallOptions = {}): Promise<void> {
    await this.#find(repo, digest);
    let elsewhere = false;
    await this.#index.update((entries) => {
      const kept = entries.filter((entry) => entry.digest !== digest || this.#place(entry)?.repo !== repo);
      elsewhere = kept.some((entry) => entry.digest === digest);
      return kept.length === entries.length ? entries : kept;
    }, options);
    if (!elsewhere && !(await this.#reachable()).has(digest)) await this.blobs.delete(digest);
  }

  /** Every manifest that an entry leads to. */
  async #reachable(): Promise<ReadonlySet<string>> {
    const seen = new Set<string>();
    const pending: string[] = (await this.#index.read()).manifests.map((entry) => entry.digest);
    for (let digest = pending.pop(); digest !== undefined; digest = pending.pop()) {
      if (seen.has(digest) || !isDigest(digest)) continue;
      seen.add(digest);
      checkLimit(this.limits, "graphNodes", seen.size, `${this.name}: the number of documents`);
      const size = await this.blobs.size(digest);
      if (size === undefined || size > this.limits.metadataBytes) continue;
      const { children } = summarizeManifest(await (await this.blobs.read({ digest, size })).bytes());
      for (const child of children) if (child.kind === "manifest") pending.push(child.digest);
    }
    return seen;
  }

  async deleteTag(repo: RepoName, tag: Tag, options: CallOptions = {}): Promise<void> {
    await this.#index.update((entries) => {
      const found = entries.find((entry) => {
        const place = this.#place(entry);
        return place?.repo === repo && place.tag === tag;
      });
      if (!found) throw manifestUnknown(this.name, repo, tag);
      const rest = entries.filter((entry) => entry !== found);
      const listed = rest.some((entry) => entry.digest === found.digest && this.#place(entry)?.repo === repo);
      return listed ? rest : [...rest, this.#entry(found, repo)];
    }, options);
  }

  async *repositories({ after }: ListOptions = {}): AsyncGenerator<RepoName> {
    const { manifests } = await this.#index.read();
    const names = manifests.map((entry) => this.#place(entry)?.repo).filter((name) => name !== undefined);
    yield* [...new Set(names)].sort().filter((name) => after === undefined || name > after);
  }

  async *tags(repo: RepoName, { after }: ListOptions = {}): AsyncGenerator<Tag> {
    const { manifests } = await this.#index.read();
    const places = manifests.map((entry) => this.#place(entry)).filter((place) => place?.repo === repo);
    if (places.length === 0) throw repositoryUnknown(this.name, repo);
    const tags = places.flatMap((place) => place?.tag ?? []).sort();
    yield* tags.filter((tag) => after === undefined || tag > after);
  }

  async *referrers(
    repo: RepoName,
    digest: Digest,
    options: { readonly artifactType?: string | undefined } = {},
  ): AsyncGenerator<Descriptor> {
    const { manifests } = await this.#index.read();
    const seen = new Set<Digest>();
    for (const entry of manifests) {
      if (seen.has(entry.digest) || !isDigest(entry.digest) || this.#place(entry)?.repo !== repo) continue;
      seen.add(entry.digest);
      const { bytes, descriptor } = await this.getManifest(repo, entry.digest);
      const { subject, artifactType, annotations } = summarizeManifest(bytes);
      if (subject !== digest || (options.artifactType && options.artifactType !== artifactType)) continue;
      yield { ...descriptor, ...(artifactType && { artifactType }), ...(annotations && { annotations }) };
    }
  }
}

/** The one manifest that a list of entries has. @throws MANIFEST_UNKNOWN, USAGE */
export function onlyManifest(name: string, repo: RepoName, entries: readonly Descriptor[]): Descriptor {
  const digests = new Set(entries.map((entry) => entry.digest));
  if (digests.size === 1) return entries[0]!;
  if (digests.size === 0) throw manifestUnknown(name, repo, "at all");
  const names = entries.map((entry) => entry.annotations?.[annotationKeys.refName] ?? `@${entry.digest}`);
  throw new GantryError("USAGE", `${name} holds ${entries.length} images; name one of ${names.join(", ")}`);
}

/** A directory's name as a repository name: lower case, other characters as dashes. */
export function repositoryName(directory: string): RepoName {
  const name = directory
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-+|-+$/g, "");
  return parseRepoName(name || "image");
}
