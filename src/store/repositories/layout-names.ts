import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import { errnoOf } from "../../base/error.ts";
import type { Limits } from "../../base/limits.ts";
import { Once } from "../../base/once.ts";
import type { BlobDirectory } from "../../content/blob-directory.ts";
import type { Tag } from "../../reference/reference.ts";
import { entryNameOf } from "../../registry/layout/entries.ts";
import { IndexFile } from "../../registry/layout/index-file.ts";
import { isDigest } from "../../spec/digest.ts";
import type { Descriptor } from "../../spec/types.ts";
import { fileSystemError } from "../../sys/fs-error.ts";
import { namesFile } from "../directory.ts";
import type { Run, SqlDatabase } from "../sql/database.ts";
import { nextGeneration, numberOf, setNumber } from "../sql/meta.ts";
import { SCHEMA_VERSION, schemaVersion } from "../sql/version.ts";
import { adoptManifest } from "./adopt.ts";
import { Exporter } from "./exporter.ts";
import { DEFAULT_KEY, entriesOf } from "./layout-entries.ts";
import { RepositoryTables } from "./tables.ts";
import { removeTag, setTag } from "./tag-rows.ts";

/** Numbers in `gantry_meta`: the last change that index.json shows, and the hash of the file that was written then. */
const EXPORTED = "exported";
const EXPORTED_HASH = "exported_hash";

interface TagEntry {
  readonly key: string;
  readonly tag: Tag;
  readonly entry: Descriptor;
}

/** The database of a layout, and its index.json, which is an export of the database. */
export class LayoutNames {
  readonly tables: RepositoryTables;
  readonly #root: string;
  readonly #blobs: BlobDirectory;
  readonly #limits: Limits;
  readonly #index: IndexFile;
  readonly #exporter: Exporter;
  readonly #database: Once<SqlDatabase>;
  readonly #prepared: Once<void>;

  constructor(root: string, blobs: BlobDirectory, limits: Limits) {
    this.#root = root;
    this.#blobs = blobs;
    this.#limits = limits;
    this.#index = new IndexFile(root, { limits, shared: true });
    this.#database = new Once(() => this.#open());
    this.#prepared = new Once(() => this.#create());
    this.tables = new RepositoryTables(() => this.#database.get());
    this.#exporter = new Exporter(() => this.#export());
  }

  /** Creates the layout and its tables, and takes over the changes that other tools made in index.json. */
  prepare(): Promise<void> {
    return this.#prepared.get();
  }

  /** Called after a change that index.json must show. */
  changed(): void {
    this.#exporter.changed();
  }

  async #create(): Promise<void> {
    await this.#index.create();
    await this.#database.get();
    await this.#takeOver();
    this.changed();
  }

  async #open(): Promise<SqlDatabase> {
    const path = namesFile(this.#root);
    try {
      await (await open(path, "wx", 0o666)).close();
    } catch (error) {
      if (errnoOf(error) !== "EEXIST") throw await fileSystemError(error, "creating", path);
    }
    const { openSqlite } = await import("../sql/sqlite.ts");
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

  /**
   * Takes over the entries of index.json if the file is not the last export: the layout was not served before, or
   * another tool changed the file. Tags that were changed here since the last export stay.
   */
  async #takeOver(): Promise<void> {
    const bytes = await this.#index.bytes();
    const hash = hashOf(bytes);
    const [known, exported] = await this.tables.read(async (run) => [
      await numberOf(run, EXPORTED_HASH),
      await numberOf(run, EXPORTED),
    ]);
    if (known === hash) return;
    const { manifests } = await this.#index.read();
    const tags = await this.#adoptEntries(manifests);
    await this.tables.change(async (run) => {
      const generation = await nextGeneration(run);
      await takeOverTags(run, tags, exported, generation);
      await setNumber(run, EXPORTED_HASH, hash);
      await setNumber(run, EXPORTED, generation);
    });
  }

  /** Puts the manifests of entries into their repositories. @returns the entries with a tag */
  async #adoptEntries(entries: readonly Descriptor[]): Promise<TagEntry[]> {
    const into = { blobs: this.#blobs, limits: this.#limits, tables: this.tables };
    const tags: TagEntry[] = [];
    const adopted = new Set<string>();
    for (const entry of entries) {
      const place = entryNameOf(entry);
      if (!place || !isDigest(entry.digest)) continue;
      const key = place.repo ?? DEFAULT_KEY;
      const { mediaType, digest, size } = entry;
      if (!adopted.has(`${key} ${digest}`)) await adoptManifest(into, key, { mediaType, digest, size });
      adopted.add(`${key} ${digest}`);
      if (place.tag !== undefined) tags.push({ key, tag: place.tag, entry });
    }
    return tags;
  }

  /** Writes index.json, for tools that do not know the database. */
  async #export(): Promise<void> {
    const [current, exported] = await this.tables.read(async (run) => [
      await numberOf(run, "generation"),
      await numberOf(run, EXPORTED),
    ]);
    if (current === exported) return;
    await this.#index.exclusively(async (lock) => {
      await this.#takeOver();
      const index = await this.#index.read();
      const { generation, manifests } = await this.tables.read(async (run) => ({
        generation: await numberOf(run, "generation"),
        manifests: await entriesOf(run, index.manifests),
      }));
      await lock.check();
      await this.#index.replace({ ...index, manifests });
      const hash = hashOf(await this.#index.bytes());
      await this.tables.change(async (run) => {
        await setNumber(run, EXPORTED, generation);
        await setNumber(run, EXPORTED_HASH, hash);
      });
    });
  }

  async close(): Promise<void> {
    await this.#exporter.close();
    const database = await this.#database.value?.catch(() => undefined);
    this.#database.reset();
    this.#prepared.reset();
    await database?.close();
  }
}

/** Sets the tags in the tables to those of index.json, except tags that changed after the last export. */
async function takeOverTags(run: Run, tags: readonly TagEntry[], exported: number, generation: number): Promise<void> {
  const rows = await run(`SELECT repository, tag, digest, generation FROM gantry_tags`);
  const unlisted = new Map(rows.map((row) => [`${row["repository"]} ${row["tag"]}`, row]));
  for (const { key, tag, entry } of tags) {
    const row = unlisted.get(`${key} ${tag}`);
    unlisted.delete(`${key} ${tag}`);
    const newer = row && Number(row["generation"]) > exported;
    if (newer || row?.["digest"] === entry.digest) continue;
    await setTag(run, key, tag, entry.digest, generation);
  }
  // A tag that the last export wrote, and that is missing now, was removed by another tool.
  for (const row of unlisted.values()) {
    if (Number(row["generation"]) <= exported) {
      await removeTag(run, String(row["repository"]), String(row["tag"]));
    }
  }
}

/** 48 bits of the hash of a file, as a number that any database keeps exactly. */
const hashOf = (bytes: Buffer): number =>
  Number.parseInt(createHash("sha256").update(bytes).digest("hex").slice(0, 12), 16);
