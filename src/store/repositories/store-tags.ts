import { isGantryError } from "../../base/error.ts";
import type { Limits } from "../../base/limits.ts";
import type { BlobDirectory } from "../../content/blob-directory.ts";
import { isTag, parseRef, type RepoName, type Tag } from "../../reference/reference.ts";
import type { Digest } from "../../spec/digest.ts";
import type { Descriptor } from "../../spec/types.ts";
import type { ImageStore } from "../images.ts";
import { nameOf } from "../registry.ts";
import { fullRepository, repositoryOf } from "../repository-names.ts";
import type { Run } from "../sql/database.ts";
import { nextGeneration, numberOf } from "../sql/meta.ts";
import { adoptManifest } from "./adopt.ts";
import { manifestOf } from "./manifest-rows.ts";
import type { TagTable } from "./options.ts";
import { PAGE, type RepositoryTables } from "./tables.ts";

interface TaggedStore {
  readonly blobs: BlobDirectory;
  readonly limits: Limits;
  readonly namespace: string;
  readonly images: ImageStore;
  readonly tables: RepositoryTables;
  changed(): void;
}

/** The bounds between which the names of a repository sort: `;` is the character after `:`. */
function rangeOf(repo: RepoName): readonly [string, string] {
  const full = fullRepository(repo);
  return [`${full}:`, `${full};`];
}

/** The tags of a repository are the names of the store that begin with it. */
export class StoreTags implements TagTable {
  readonly #store: TaggedStore;
  readonly #key: (repo: RepoName) => string;
  /** The change up to which names of other processes were taken over, for the repositories in `#refreshed`. */
  #generation = -1;
  #refreshed = new Set<RepoName>();

  constructor(store: TaggedStore, key: (repo: RepoName) => string) {
    this.#store = store;
    this.#key = key;
  }

  async get(repo: RepoName, tag: Tag): Promise<Descriptor | undefined> {
    try {
      const { mediaType, digest, size } = (await this.#store.images.get(nameOf(repo, tag))).target;
      const known = await this.#store.tables.read((run) => manifestOf(run, this.#key(repo), digest));
      if (!known) await this.#adopt(repo, { mediaType, digest, size });
      return { mediaType, digest, size };
    } catch (error) {
      if (isGantryError(error, "IMAGE_NOT_FOUND", "INVALID_REFERENCE")) return undefined;
      throw error;
    }
  }

  #adopt(repo: RepoName, descriptor: Descriptor): Promise<void> {
    return adoptManifest(this.#store, this.#key(repo), descriptor);
  }

  /** Only counts the change, so that a collection at the same time sees it. `named` sets the names. */
  async set(run: Run): Promise<void> {
    this.#own(await nextGeneration(run));
  }

  /** Counts a change of this process, after which nothing is to be taken over. */
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

  async forget(run: Run, repo: RepoName, digest: Digest): Promise<void> {
    this.#own(await nextGeneration(run));
    const sql = `DELETE FROM gantry_images WHERE namespace = ? AND name > ? AND name < ? AND digest = ?`;
    await run(sql, this.#store.namespace, ...rangeOf(repo), digest);
  }

  async *list(repo: RepoName, after: string | undefined): AsyncGenerator<Tag> {
    const { namespace, tables } = this.#store;
    const [first, end] = rangeOf(repo);
    for (let last = `${first}${after ?? ""}`; ; ) {
      const sql = `SELECT name FROM gantry_images WHERE namespace = ? AND name > ? AND name < ? ORDER BY name LIMIT ${PAGE}`;
      const found = await tables.read((run) => run(sql, namespace, last, end));
      for (const row of found) {
        const tag = String(row["name"]).slice(first.length);
        // A tag beside a digest is only for display; it is not a tag of the repository.
        if (isTag(tag)) yield tag;
      }
      if (found.length < PAGE) return;
      last = String(found.at(-1)!["name"]);
    }
  }

  async refresh(repo: RepoName): Promise<boolean> {
    const { namespace, tables } = this.#store;
    const generation = await tables.read((run) => numberOf(run, "generation"));
    if (generation !== this.#generation) this.#refreshed = new Set();
    this.#generation = generation;
    if (this.#refreshed.has(repo)) return false;
    const sql = `SELECT DISTINCT i.digest, i.media_type, i.target FROM gantry_images i
      WHERE i.namespace = ? AND i.name > ? AND i.name < ? AND NOT EXISTS (
        SELECT 1 FROM gantry_manifests m WHERE m.repository = ? AND m.digest = i.digest)`;
    const found = await tables.read((run) => run(sql, namespace, ...rangeOf(repo), this.#key(repo)));
    for (const row of found) {
      const { mediaType, digest, size } = JSON.parse(String(row["target"])) as Descriptor;
      await this.#adopt(repo, { mediaType, digest, size });
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
        // A store accepts any name. A name that is not a reference is in no repository.
        if (!isGantryError(error, "INVALID_REFERENCE", "NAME_INVALID")) throw error;
      }
    }
    return [...found];
  }

  changed(): void {
    this.#store.changed();
  }
}
