import { isGantryError } from "../../base/error.ts";
import type { Limits } from "../../base/limits.ts";
import type { BlobDirectory } from "../../content/blob-directory.ts";
import { isTag, parseRef, type RepoName, type Tag } from "../../reference/reference.ts";
import type { Digest } from "../../spec/digest.ts";
import type { Descriptor } from "../../spec/types.ts";
import { DEFAULT_NAMESPACE } from "../directory.ts";
import type { ImageStore } from "../images.ts";
import type { LeaseKeeper } from "../leases.ts";
import { nameOf } from "../registry.ts";
import { fullRepository, repositoryOf } from "../repository-names.ts";
import type { SqlDatabase } from "../sql/database.ts";
import { RepositoryRegistry, type TagTable } from "./registry.ts";
import * as rows from "./tables.ts";
import { RepositoryTables } from "./tables.ts";

/** What serving a store needs of it. */
export interface ServableStore {
  readonly directory: string;
  readonly blobs: BlobDirectory;
  readonly limits: Limits;
  readonly namespace: string;
  /** Names whose changes are exported later, and not before the caller hears of them. */
  readonly images: ImageStore;
  readonly lease: LeaseKeeper;
  database(): Promise<SqlDatabase>;
  prepare(): Promise<void>;
  /** Something changed that is to be exported. */
  changed(): void;
  close(): Promise<void>;
}

/** Rows that are read at once. */
const PAGE = 500;

/**
 * A store as many repositories for clients that do not trust each other. Its names are the tags, whichever process gives
 * them; what was pulled becomes part of its repository when a client asks for it. Bytes are freed by the store's garbage
 * collection alone.
 */
export function serveStore(store: ServableStore): RepositoryRegistry {
  const { blobs, limits, namespace } = store;
  const tables = new RepositoryTables(() => store.database());
  // Namespaces share the tables, and a repository of one is none of another.
  const prefix = namespace === DEFAULT_NAMESPACE ? "" : `${namespace}//`;
  // What a client calls `app` is the repository that is called docker.io/library/app.
  const key = (repo: RepoName): string => `${prefix}${repositoryOf(parseRef(fullRepository(repo)))}`;
  const names = new StoreTags(store, tables, key);
  const registry: RepositoryRegistry = new RepositoryRegistry({
    name: `store ${store.directory}`,
    blobs,
    limits,
    tables,
    tags: names,
    key,
    repository: (at) => {
      if (!at.startsWith(prefix) || (prefix === "" && at.includes("//"))) return undefined;
      return at.slice(prefix.length) as RepoName;
    },
    frees: false,
    prepare: () => store.prepare(),
    protect: (digest) => store.lease.protect(digest),
    close: () => store.close(),
  });
  names.adopt = (repo, descriptor) => registry.adopt(repo, descriptor);
  return registry;
}

/** The tags of a repository are the names of the store that begin with it. */
class StoreTags implements TagTable {
  readonly #store: ServableStore;
  readonly #tables: RepositoryTables;
  readonly #key: (repo: RepoName) => string;
  adopt: (repo: RepoName, descriptor: Descriptor) => Promise<void> = async () => {};
  /** The change up to which what other processes named has been taken over, and of which repositories. */
  #generation = -1;
  #refreshed = new Set<RepoName>();

  constructor(store: ServableStore, tables: RepositoryTables, key: (repo: RepoName) => string) {
    this.#store = store;
    this.#tables = tables;
    this.#key = key;
  }

  /** The bounds of the names of a repository: `;` is what follows `:`. */
  #range(repo: RepoName): readonly [string, string] {
    const full = fullRepository(repo);
    return [`${full}:`, `${full};`];
  }

  async get(repo: RepoName, tag: Tag): Promise<Descriptor | undefined> {
    try {
      const { mediaType, digest, size } = (await this.#store.images.get(nameOf(repo, tag))).target;
      const known = await this.#tables.read((run) => rows.manifestOf(run, this.#key(repo), digest));
      if (!known) await this.adopt(repo, { mediaType, digest, size });
      return { mediaType, digest, size };
    } catch (error) {
      if (isGantryError(error, "IMAGE_NOT_FOUND", "INVALID_REFERENCE")) return undefined;
      throw error;
    }
  }

  /** Names are given after the manifest is in its repository; the change is counted here, so that a collection sees it. */
  async set(run: rows.Run): Promise<void> {
    this.#own(await rows.nextGeneration(run));
  }

  /** A change of this process leaves nothing to be taken over. */
  #own(generation: number): void {
    if (generation === this.#generation + 1) this.#generation = generation;
  }

  async named(repo: RepoName, tags: readonly Tag[], descriptor: Descriptor): Promise<void> {
    for (const tag of tags) {
      await this.#store.images.set(nameOf(repo, tag), descriptor);
      this.#own(this.#generation + 1);
    }
  }

  async delete(repo: RepoName, tag: Tag): Promise<boolean> {
    try {
      await this.#store.images.delete(nameOf(repo, tag));
      this.#own(this.#generation + 1);
      return true;
    } catch (error) {
      if (isGantryError(error, "IMAGE_NOT_FOUND", "INVALID_REFERENCE")) return false;
      throw error;
    }
  }

  async forget(run: rows.Run, repo: RepoName, digest: Digest): Promise<void> {
    this.#own(await rows.nextGeneration(run));
    const sql = `DELETE FROM gantry_images WHERE namespace = ? AND name > ? AND name < ? AND digest = ?`;
    await run(sql, this.#store.namespace, ...this.#range(repo), digest);
  }

  async *list(repo: RepoName, after: string | undefined): AsyncGenerator<Tag> {
    const [first, end] = this.#range(repo);
    for (let last = `${first}${after ?? ""}`; ; ) {
      const sql = `SELECT name FROM gantry_images WHERE namespace = ? AND name > ? AND name < ? ORDER BY name LIMIT ${PAGE}`;
      const found = await this.#tables.read((run) => run(sql, this.#store.namespace, last, end));
      for (const row of found) {
        const tag = String(row["name"]).slice(first.length);
        // With a digest beside it a tag is only shown.
        if (isTag(tag)) yield tag;
      }
      if (found.length < PAGE) return;
      last = String(found.at(-1)!["name"]);
    }
  }

  async refresh(repo: RepoName): Promise<boolean> {
    const generation = await this.#tables.read((run) => rows.numberOf(run, "generation"));
    if (generation !== this.#generation) this.#refreshed = new Set();
    this.#generation = generation;
    if (this.#refreshed.has(repo)) return false;
    const sql = `SELECT DISTINCT i.digest, i.media_type, i.target FROM gantry_images i
      WHERE i.namespace = ? AND i.name > ? AND i.name < ? AND NOT EXISTS (
        SELECT 1 FROM gantry_manifests m WHERE m.repository = ? AND m.digest = i.digest)`;
    const [first, end] = this.#range(repo);
    const found = await this.#tables.read((run) => run(sql, this.#store.namespace, first, end, this.#key(repo)));
    for (const row of found) {
      const { mediaType, digest, size } = JSON.parse(String(row["target"])) as Descriptor;
      await this.adopt(repo, { mediaType, digest, size });
    }
    this.#refreshed.add(repo);
    return found.length > 0;
  }

  async all(): Promise<readonly RepoName[]> {
    const found = new Set<RepoName>();
    for (const { name } of await this.#store.images.list()) {
      try {
        found.add(repositoryOf(parseRef(name)));
      } catch (error) {
        // A store takes any name; one that is no reference is in no repository.
        if (!isGantryError(error, "INVALID_REFERENCE", "NAME_INVALID")) throw error;
      }
    }
    return [...found];
  }

  changed(): void {
    this.#store.changed();
  }
}
