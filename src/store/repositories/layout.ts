import { createHash } from "node:crypto";
import { accessSync, constants, existsSync } from "node:fs";
import { open } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { errnoOf } from "../../base/error.ts";
import { defaultLimits, type Limits } from "../../base/limits.ts";
import { BlobDirectory } from "../../content/blob-directory.ts";
import { parseRepoName, parseTag, type RepoName, type Tag } from "../../reference/reference.ts";
import { entryNameOf, entryOf } from "../../registry/layout/entries.ts";
import { IndexFile } from "../../registry/layout/index-file.ts";
import { onlyManifest, repositoryName } from "../../registry/layout/names.ts";
import { isDigest } from "../../spec/digest.ts";
import type { Descriptor } from "../../spec/types.ts";
import { fileSystemError } from "../../sys/fs-error.ts";
import { namesFile } from "../directory.ts";
import { adoptManifest } from "./adopt.ts";
import { Exporter } from "./exporter.ts";
import { RepositoryRegistry, type TagTable } from "./registry.ts";
import * as rows from "./tables.ts";
import { RepositoryTables } from "./tables.ts";

/** The default repository of a layout in the tables: its real name is that of the directory, which may be renamed. */
const DEFAULT_KEY = "";
/** Kept beside the tables: the change that index.json shows, and the hash of what was written. */
const EXPORTED = "exported";
const EXPORTED_HASH = "exported_hash";

export interface ServedLayoutOptions {
  readonly limits?: Limits | undefined;
  /** Accept manifests whose children are not all there, as a partial image has them. Default: false. */
  readonly sparse?: boolean | undefined;
}

/**
 * Whether a directory keeps what belongs to which repository in a database of its own, and not in index.json alone. One
 * that cannot be written to is read by its index.json, as other tools do.
 */
export function isServedLayout(directory: string): boolean {
  if (!existsSync(namesFile(directory)) || existsSync(join(directory, "version.json"))) return false;
  try {
    accessSync(directory, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/**
 * A layout that is served, or was: what belongs to which repository is in `names.db`, and index.json is an export that
 * follows within a second or two and when it is closed. What another tool changes in index.json is taken over. The
 * directory is made where it is absent.
 */
export class ServedLayout extends RepositoryRegistry {
  /** The repository whose tags are bare ref.names; it is called as the directory is. */
  readonly defaultRepository: RepoName;
  readonly #tables: RepositoryTables;

  constructor(directory: string, options: ServedLayoutOptions = {}) {
    const root = resolve(directory);
    const name = `oci:${directory}`;
    const limits = options.limits ?? defaultLimits;
    const blobs = new BlobDirectory(root, { name, limits, shared: true });
    const names = new LayoutNames(root, blobs, limits);
    const defaultRepository = repositoryName(basename(root));
    const key = (repo: RepoName): string => (repo === defaultRepository ? DEFAULT_KEY : repo);
    super({
      name,
      blobs,
      limits,
      tables: names.tables,
      tags: names.tags(key),
      key,
      repository: (at) => (at === DEFAULT_KEY ? defaultRepository : parseRepoName(at)),
      sparse: options.sparse,
      frees: true,
      prepare: () => names.prepare(),
      close: () => names.close(),
    });
    this.defaultRepository = defaultRepository;
    this.#tables = names.tables;
  }

  /** The manifest of a layout that holds just one, whatever it is called. @throws MANIFEST_UNKNOWN, USAGE */
  async onlyManifest(): Promise<Descriptor> {
    await this.prepareWrite();
    return onlyManifest(this.name, this.defaultRepository, await this.#tables.read((run) => entriesOf(run, [])));
  }
}

/** The database of a layout, and its index.json. */
class LayoutNames {
  readonly tables: RepositoryTables;
  readonly #root: string;
  readonly #blobs: BlobDirectory;
  readonly #limits: Limits;
  readonly #index: IndexFile;
  readonly #exporter: Exporter;
  #database: Promise<import("../sql/database.ts").SqlDatabase> | undefined;
  #prepared: Promise<void> | undefined;

  constructor(root: string, blobs: BlobDirectory, limits: Limits) {
    this.#root = root;
    this.#blobs = blobs;
    this.#limits = limits;
    this.#index = new IndexFile(root, { limits, shared: true });
    this.tables = new RepositoryTables(() => this.#open());
    this.#exporter = new Exporter(() => this.#export());
  }

  /** Makes the layout and its tables, and takes over what index.json says that they do not know. */
  prepare(): Promise<void> {
    this.#prepared ??= this.#create();
    const prepared = this.#prepared;
    prepared.catch(() => {
      if (this.#prepared === prepared) this.#prepared = undefined;
    });
    return prepared;
  }

  async #create(): Promise<void> {
    await this.#index.create();
    await this.#open();
    await this.#takeOver();
    this.#exporter.changed();
  }

  #open(): Promise<import("../sql/database.ts").SqlDatabase> {
    this.#database ??= this.#openDatabase();
    const database = this.#database;
    database.catch(() => {
      if (this.#database === database) this.#database = undefined;
    });
    return database;
  }

  async #openDatabase(): Promise<import("../sql/database.ts").SqlDatabase> {
    const path = namesFile(this.#root);
    try {
      await (await open(path, "wx", 0o666)).close();
    } catch (error) {
      if (errnoOf(error) !== "EEXIST") throw await fileSystemError(error, "creating", path);
    }
    const { openSqlite } = await import("../sql/sqlite.ts");
    const { schemaVersion, SCHEMA_VERSION } = await import("../sql/version.ts");
    const database = await openSqlite(path);
    try {
      if ((await schemaVersion(database)) !== SCHEMA_VERSION) {
        const { migrate } = await import("../sql/migrations.ts");
        await migrate(database);
      }
      return database;
    } catch (error) {
      await database.close();
      throw error;
    }
  }

  tags(key: (repo: RepoName) => string): TagTable {
    const { tables } = this;
    return {
      get: (repo, tag) => tables.read((run) => rows.tagged(run, key(repo), tag)),
      async set(run, repo, tags, descriptor) {
        const generation = await rows.nextGeneration(run);
        for (const tag of tags) await rows.setTag(run, key(repo), tag, descriptor.digest, generation);
      },
      named: async () => {},
      delete: (repo, tag) =>
        tables.change(async (run) => {
          await rows.nextGeneration(run);
          return rows.removeTag(run, key(repo), tag);
        }),
      async forget(run, repo, digest) {
        await rows.nextGeneration(run);
        await run(`DELETE FROM gantry_tags WHERE repository = ? AND digest = ?`, key(repo), digest);
      },
      list: (repo, after) => rows.tagsOf(tables, key(repo), after) as AsyncIterable<Tag>,
      refresh: async () => false,
      all: async () => [],
      changed: () => this.#exporter.changed(),
    };
  }

  /**
   * Takes over what index.json says where this is not what was written last: the entries of a layout that was not served
   * before, or what another tool changed since. A tag that was changed here since then stays as it is here.
   */
  async #takeOver(): Promise<void> {
    const bytes = await this.#index.bytes();
    const hash = hashOf(bytes);
    const [known, exported] = await this.tables.read(async (run) => [
      await rows.numberOf(run, EXPORTED_HASH),
      await rows.numberOf(run, EXPORTED),
    ]);
    if (known === hash) return;
    const { manifests } = await this.#index.read();
    const into = { blobs: this.#blobs, limits: this.#limits, tables: this.tables };
    const tags: { readonly key: string; readonly tag: Tag; readonly entry: Descriptor }[] = [];
    const adopted = new Set<string>();
    for (const entry of manifests) {
      const place = entryNameOf(entry);
      if (!place || !isDigest(entry.digest)) continue;
      const key = place.repo ?? DEFAULT_KEY;
      const { mediaType, digest, size } = entry;
      if (!adopted.has(`${key} ${digest}`)) await adoptManifest(into, key, { mediaType, digest, size });
      adopted.add(`${key} ${digest}`);
      if (place.tag !== undefined) tags.push({ key, tag: place.tag, entry });
    }
    await this.tables.change(async (run) => {
      const generation = await rows.nextGeneration(run);
      const there = await run(`SELECT repository, tag, digest, generation FROM gantry_tags`);
      const here = new Map(there.map((row) => [`${row["repository"]} ${row["tag"]}`, row]));
      for (const { key, tag, entry } of tags) {
        const row = here.get(`${key} ${tag}`);
        here.delete(`${key} ${tag}`);
        const newer = row && Number(row["generation"]) > exported;
        if (newer || row?.["digest"] === entry.digest) continue;
        await rows.setTag(run, key, tag, entry.digest, generation);
      }
      // What was in the file that was written last and is not in it any more was removed by another tool.
      for (const row of here.values()) {
        if (Number(row["generation"]) <= exported) {
          await rows.removeTag(run, String(row["repository"]), String(row["tag"]));
        }
      }
      await rows.setNumber(run, EXPORTED_HASH, hash);
      await rows.setNumber(run, EXPORTED, generation);
    });
  }

  /** Writes index.json anew, for tools that know nothing of the database. */
  async #export(): Promise<void> {
    const current = await this.tables.read(async (run) => [
      await rows.numberOf(run, "generation"),
      await rows.numberOf(run, EXPORTED),
    ]);
    if (current[0] === current[1]) return;
    await this.#index.exclusively(async (lock) => {
      await this.#takeOver();
      const index = await this.#index.read();
      const { generation, manifests } = await this.tables.read(async (run) => ({
        generation: await rows.numberOf(run, "generation"),
        manifests: await entriesOf(run, index.manifests),
      }));
      await lock.check();
      await this.#index.replace({ ...index, manifests });
      const hash = hashOf(await this.#index.bytes());
      await this.tables.change(async (run) => {
        await rows.setNumber(run, EXPORTED, generation);
        await rows.setNumber(run, EXPORTED_HASH, hash);
      });
    });
  }

  async close(): Promise<void> {
    await this.#exporter.close();
    const database = await this.#database?.catch(() => undefined);
    this.#database = undefined;
    this.#prepared = undefined;
    await database?.close();
  }
}

/**
 * The entries of index.json: every tag, and every manifest that no tag names and no index of its repository lists. An
 * entry that is in the file already stays as it is, and so does what means nothing to the tables.
 */
async function entriesOf(run: rows.Run, old: readonly Descriptor[]): Promise<Descriptor[]> {
  const found = await run(
    `SELECT m.repository, t.tag, m.digest, m.media_type, m.size FROM gantry_manifests m
     LEFT JOIN gantry_tags t ON t.repository = m.repository AND t.digest = m.digest
     WHERE t.tag IS NOT NULL OR m.nested = 0 ORDER BY m.repository, t.tag, m.digest`,
  );
  const keyOf = (repository: string, tag: string | undefined, digest: string): string =>
    `${repository} ${tag ?? ""} ${digest}`;
  const kept = new Map<string, Descriptor>();
  const others: Descriptor[] = [];
  for (const entry of old) {
    const place = entryNameOf(entry);
    if (!place || !isDigest(entry.digest)) others.push(entry);
    else kept.set(keyOf(place.repo ?? DEFAULT_KEY, place.tag, entry.digest), entry);
  }
  const entries = found.map((row) => {
    const repository = String(row["repository"]);
    const tag = row["tag"] === null ? undefined : parseTag(String(row["tag"]));
    const digest = row["digest"] as Descriptor["digest"];
    const same = kept.get(keyOf(repository, tag, digest));
    if (same) return same;
    const repo = repository === DEFAULT_KEY ? undefined : parseRepoName(repository);
    return entryOf({ mediaType: String(row["media_type"]), digest, size: Number(row["size"]) }, { repo, tag });
  });
  return [...entries, ...others];
}

/** 48 bits of the hash of a file, as a number that any database keeps exactly. */
const hashOf = (bytes: Buffer): number =>
  Number.parseInt(createHash("sha256").update(bytes).digest("hex").slice(0, 12), 16);
