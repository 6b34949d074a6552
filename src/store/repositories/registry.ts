import { isGantryError } from "../../base/error.ts";
import type { Limits } from "../../base/limits.ts";
import type { BlobDirectory } from "../../content/blob-directory.ts";
import type { Content, Expected } from "../../content/content.ts";
import { type BlobSource, bytesContent } from "../../content/source.ts";
import type { RepoName, Tag } from "../../reference/reference.ts";
import { expectedOf, manifestDigest } from "../../registry/expected.ts";
import { DirectoryRegistry } from "../../registry/layout/directory.ts";
import { blobUnknown, manifestUnknown, missingChildren, repositoryUnknown } from "../../registry/refusals.ts";
import type {
  CallOptions,
  GetBlobOptions,
  ListOptions,
  PushManifestOptions,
  RangeContent,
  Registry,
  StoredManifest,
} from "../../registry/registry.ts";
import { algorithmOf, type Digest, isDigest } from "../../spec/digest.ts";
import { summarizeManifest } from "../../spec/sniff.ts";
import type { Descriptor } from "../../spec/types.ts";
import { adoptManifest } from "./adopt.ts";
import * as rows from "./tables.ts";
import { type ManifestRow, type RepositoryTables, type Run, referrersOf, repositoriesOf } from "./tables.ts";

/** The tags of a directory of repositories, wherever they are kept. */
export interface TagTable {
  get(repo: RepoName, tag: Tag): Promise<Descriptor | undefined>;
  /** Names a manifest, in the change that puts it into its repository where the tags are in the same tables. */
  set(run: Run, repo: RepoName, tags: readonly Tag[], descriptor: Descriptor): Promise<void>;
  /** Called after that change. */
  named(repo: RepoName, tags: readonly Tag[], descriptor: Descriptor): Promise<void>;
  /** @returns false where there is no such tag */
  delete(repo: RepoName, tag: Tag): Promise<boolean>;
  /** Removes the tags of a manifest that leaves its repository. */
  forget(run: Run, repo: RepoName, digest: Digest): Promise<void>;
  list(repo: RepoName, after: string | undefined): AsyncIterable<Tag>;
  /** Adds to the tables what other processes have named since. @returns whether there was anything to add */
  refresh(repo: RepoName): Promise<boolean>;
  /** Repositories that have names but may not be in the tables yet. */
  all(): Promise<readonly RepoName[]>;
  /** Called when something changed, for what is exported. */
  changed(): void;
}

export interface RepositoryOptions {
  readonly name: string;
  readonly blobs: BlobDirectory;
  readonly limits: Limits;
  readonly tables: RepositoryTables;
  readonly tags: TagTable;
  /** What a repository is called in the tables. */
  readonly key: (repo: RepoName) => string;
  /** The repository of a key; undefined for keys that are not of this directory. */
  readonly repository: (key: string) => RepoName | undefined;
  /** Accept manifests whose children are not all there. */
  readonly sparse?: boolean | undefined;
  /** Whether a delete removes the file of content that no repository has any more. A store's garbage collection does it. */
  readonly frees: boolean;
  readonly prepare: () => Promise<void>;
  /** Keeps a blob from being collected. */
  readonly protect?: ((digest: Digest) => Promise<void>) | undefined;
  readonly close: () => Promise<void>;
}

/** Children that are missing, until no more are looked for. */
const MAX_MISSING = 100;

/**
 * A directory of many repositories, each with blobs, manifests, referrers and tags of its own, over one directory of
 * shared bytes (docs/decisions/0007). What a repository does not have it does not show, though another one has the bytes;
 * deleting takes something out of one repository, and its bytes go when no other one has it.
 */
export class RepositoryRegistry extends DirectoryRegistry implements Registry {
  readonly name: string;
  readonly #options: RepositoryOptions;
  readonly #tables: RepositoryTables;
  readonly #tags: TagTable;

  constructor(options: RepositoryOptions) {
    super(options.blobs, options.limits);
    this.name = options.name;
    this.#options = options;
    this.#tables = options.tables;
    this.#tags = options.tags;
  }

  /** Makes the directory where it is absent, and exports what a killed process did not. The first call does so too. */
  async ready(): Promise<void> {
    await this.#options.prepare();
    this.#tags.changed();
  }

  protected override prepareWrite(): Promise<void> {
    return this.#options.prepare();
  }

  protected override async willUse(digest: Digest): Promise<void> {
    await this.#options.protect?.(digest);
  }

  /** The bytes are there before others can see that they are; a deletion in between sees the link and leaves them. */
  protected override async proved(repo: RepoName, digest: Digest): Promise<void> {
    await this.#link(repo, digest);
  }

  #key(repo: RepoName): string {
    return this.#options.key(repo);
  }

  #link(repo: RepoName, digest: Digest): Promise<void> {
    return this.#tables.change((run) => rows.linkBlob(run, this.#key(repo), digest));
  }

  /** @throws BLOB_UNKNOWN where the repository does not have it */
  async #requireBlob(repo: RepoName, digest: Digest): Promise<void> {
    const has = (): Promise<boolean> =>
      this.#tables.read(
        async (run) =>
          (await rows.hasBlob(run, this.#key(repo), digest)) ||
          (await rows.manifestOf(run, this.#key(repo), digest)) !== undefined,
      );
    await this.#options.prepare();
    if ((await has()) || ((await this.#tags.refresh(repo)) && (await has()))) return;
    throw blobUnknown(this.name, repo, digest);
  }

  override async getBlob(repo: RepoName, blob: Digest | Expected, options: GetBlobOptions = {}): Promise<Content> {
    await this.#requireBlob(repo, expectedOf(blob).digest);
    return super.getBlob(repo, blob, options);
  }

  override async getBlobRange(
    repo: RepoName,
    blob: Expected,
    range: { start: number; end: number },
  ): Promise<RangeContent> {
    await this.#requireBlob(repo, expectedOf(blob).digest);
    return super.getBlobRange(repo, blob, range);
  }

  override async resolveBlob(repo: RepoName, digest: Digest): Promise<Descriptor> {
    await this.#requireBlob(repo, digest);
    // What a client finds it will not push again: from here on it must stay.
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
      await this.#link(repo, descriptor.digest);
      // Another repository may have let go of the bytes before this one had them.
      if (!source.replayable || (await this.blobs.has(descriptor))) return descriptor;
    }
  }

  /** @throws BLOB_UNKNOWN where the first repository does not have it */
  override async mountBlob(from: RepoName, to: RepoName, digest: Digest): Promise<Descriptor> {
    await this.#requireBlob(from, digest);
    await this.willUse(digest);
    await this.#link(to, digest);
    return super.resolveBlob(to, digest);
  }

  override async deleteBlob(repo: RepoName, digest: Digest): Promise<void> {
    const key = this.#key(repo);
    await this.#options.prepare();
    const removed = await this.#tables.change(async (run) => {
      if (!(await rows.unlinkBlob(run, key, digest))) return false;
      await this.#free(run, digest);
      return true;
    });
    if (!removed) throw blobUnknown(this.name, repo, digest);
  }

  /** Within the change, so that nothing can come to rely on the bytes before they are gone. */
  async #free(run: Run, digest: Digest): Promise<void> {
    if (this.#options.frees && !(await rows.isLinked(run, digest))) await this.blobs.delete(digest);
  }

  async #manifest(repo: RepoName, digest: Digest): Promise<ManifestRow | undefined> {
    const find = (): Promise<ManifestRow | undefined> =>
      this.#tables.read((run) => rows.manifestOf(run, this.#key(repo), digest));
    return (await find()) ?? ((await this.#tags.refresh(repo)) ? find() : undefined);
  }

  async resolveManifest(repo: RepoName, reference: Tag | Digest): Promise<Descriptor> {
    await this.#options.prepare();
    const found = isDigest(reference)
      ? (await this.#manifest(repo, reference))?.descriptor
      : await this.#tags.get(repo, reference as Tag);
    if (found && (await this.blobs.size(found.digest)) !== undefined) {
      await this.willUse(found.digest);
      return found;
    }
    throw manifestUnknown(this.name, repo, reference);
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
    await this.#options.prepare();
    const { digest: _, ...call } = options;
    const descriptor: Descriptor = { mediaType, digest: manifestDigest(bytes, options), size: bytes.byteLength };
    const { children, subject, artifactType, annotations } = summarizeManifest(bytes);
    if (!this.#options.sparse) await this.#requireChildren(repo, children);
    await this.willUse(descriptor.digest);
    const key = this.#key(repo);
    const tags = options.tags ?? [];
    const write = async (): Promise<Content> => bytesContent(descriptor, bytes, `manifest ${descriptor.digest}`);
    do {
      await this.blobs.write(descriptor, write, call);
      await this.blobs.sync();
      await this.#tables.change(async (run) => {
        const byDigest = tags.length === 0;
        await rows.putManifest(run, key, { descriptor, subject, artifactType, annotations, byDigest });
        for (const { digest, kind } of children) if (kind === "manifest") await rows.setNested(run, key, digest, true);
        await this.#tags.set(run, repo, tags, descriptor);
      });
    } while (!(await this.blobs.has(descriptor)));
    await this.#tags.named(repo, tags, descriptor);
    this.#tags.changed();
    return descriptor;
  }

  async #requireChildren(
    repo: RepoName,
    children: readonly { readonly digest: string; readonly kind: "manifest" | "blob"; readonly foreign: boolean }[],
  ): Promise<void> {
    const missing: string[] = [];
    const seen = new Set<string>();
    for (const { digest, kind, foreign } of children) {
      // A document may name one digest a thousand times, and a thousand that are missing say no more than a hundred.
      if (foreign || seen.has(`${kind} ${digest}`) || missing.length === MAX_MISSING) continue;
      seen.add(`${kind} ${digest}`);
      if (!isDigest(digest) || !(await this.#hasChild(repo, digest, kind))) missing.push(digest);
    }
    if (missing.length > 0) throw missingChildren(this.name, repo, missing);
  }

  async #hasChild(repo: RepoName, digest: Digest, kind: "manifest" | "blob"): Promise<boolean> {
    try {
      if (kind === "manifest") return (await this.#manifest(repo, digest)) !== undefined;
      await this.#requireBlob(repo, digest);
      return await this.blobs.has({ digest });
    } catch (error) {
      if (isGantryError(error, "BLOB_UNKNOWN")) return false;
      throw error;
    }
  }

  /** Takes a manifest and its tags out of a repository. What only it led to stays, for other manifests to use. */
  async deleteManifest(repo: RepoName, digest: Digest): Promise<void> {
    await this.#options.prepare();
    const key = this.#key(repo);
    if (!(await this.#manifest(repo, digest))) throw manifestUnknown(this.name, repo, digest);
    const { children } = await this.#summary(digest);
    const removed = await this.#tables.change(async (run) => {
      if (!(await rows.removeManifest(run, key, digest))) return false;
      await this.#tags.forget(run, repo, digest);
      // Where another index lists one of them too, it only gets an entry that it does not need.
      for (const child of children) if (child.kind === "manifest") await rows.setNested(run, key, child.digest, false);
      await this.#free(run, digest);
      return true;
    });
    if (!removed) throw manifestUnknown(this.name, repo, digest);
    this.#tags.changed();
  }

  async #summary(digest: Digest): Promise<ReturnType<typeof summarizeManifest>> {
    try {
      const content = await this.blobs.read({ digest });
      return summarizeManifest(await content.bytes({ limit: this.limits.metadataBytes }));
    } catch (error) {
      // A document that is damaged, or gone, can still be deleted.
      if (isGantryError(error)) return { children: [] };
      throw error;
    }
  }

  async deleteTag(repo: RepoName, tag: Tag): Promise<void> {
    await this.#options.prepare();
    if (!(await this.#tags.delete(repo, tag))) throw manifestUnknown(this.name, repo, tag);
    this.#tags.changed();
  }

  async *repositories(options: ListOptions = {}): AsyncGenerator<RepoName> {
    await this.#options.prepare();
    const { after } = options;
    const named = (await this.#tags.all()).filter((repo) => after === undefined || repo > after).sort();
    const inTables = repositoriesOf(this.#tables, after === undefined ? undefined : this.#key(after as RepoName));
    for await (const key of inTables) {
      const repo = this.#options.repository(key);
      if (repo === undefined) continue;
      while (named[0] !== undefined && named[0] < repo) yield named.shift()!;
      if (named[0] === repo) named.shift();
      yield repo;
    }
    yield* named;
  }

  async *tags(repo: RepoName, options: ListOptions = {}): AsyncGenerator<Tag> {
    await this.#options.prepare();
    let found = false;
    for await (const tag of this.#tags.list(repo, options.after)) {
      found = true;
      yield tag;
    }
    if (found || (await this.#tables.read((run) => rows.exists(run, this.#key(repo))))) return;
    throw repositoryUnknown(this.name, repo);
  }

  async *referrers(
    repo: RepoName,
    digest: Digest,
    options: ListOptions & { readonly artifactType?: string | undefined } = {},
  ): AsyncGenerator<Descriptor> {
    await this.#options.prepare();
    algorithmOf(digest);
    await this.#tags.refresh(repo);
    for await (const row of referrersOf(this.#tables, this.#key(repo), digest, options)) {
      const { descriptor, artifactType, annotations } = row;
      yield {
        ...descriptor,
        ...(artifactType !== undefined && { artifactType }),
        ...(annotations !== undefined && { annotations }),
      };
    }
  }

  /** Puts a manifest that other means brought here into a repository, with all it leads to. */
  adopt(repo: RepoName, descriptor: Descriptor): Promise<void> {
    return adoptManifest({ blobs: this.blobs, limits: this.limits, tables: this.#tables }, this.#key(repo), descriptor);
  }

  override async close(): Promise<void> {
    await super.close();
    await this.#options.close();
  }
}
