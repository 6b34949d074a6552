import { existsSync } from "node:fs";
import { open } from "node:fs/promises";
import { errnoOf, GantryError } from "../base/error.ts";
import { Once } from "../base/once.ts";
import type { IndexFile } from "../registry/layout/index-file.ts";
import { fileSystemError } from "../sys/fs-error.ts";
import type { Advice } from "./advice.ts";
import { namesFile } from "./directory.ts";
import { exportedGeneration, exportedNames } from "./index-entries.ts";
import { RepositoryTables } from "./repositories/tables.ts";
import { SqlImages } from "./sql/images.ts";
import { requireKnown, SCHEMA_VERSION, schemaVersion } from "./sql/version.ts";
import { type DatabaseKind, STORE_VERSION, type VersionFile } from "./version-file.ts";

interface NamesOptions {
  readonly directory: string;
  /** The address of a PostgreSQL database; undefined for SQLite in the directory. */
  readonly address: string | undefined;
  readonly advice: Advice;
  readonly index: IndexFile;
  readonly version: VersionFile;
  /** Migrates a store of an older version to the version of this code. */
  readonly upgrade: () => Promise<void>;
}

/** The database with the names of a store. */
export class Names {
  readonly kind: DatabaseKind;
  readonly repositories: RepositoryTables;
  readonly #options: NamesOptions;
  readonly #file: string;
  readonly #database: Once<SqlImages>;

  constructor(options: NamesOptions) {
    this.#options = options;
    this.kind = options.address === undefined ? "sqlite" : "postgres";
    this.#file = namesFile(options.directory);
    this.#database = new Once(() => this.#openChecked());
    this.repositories = new RepositoryTables(async () => (await this.get()).database);
  }

  /** Whether the names are in a database that other hosts use too. */
  get shared(): boolean {
    return this.kind === "postgres";
  }

  /**
   * The names. The first call checks that the database is the one of this store, and migrates older tables.
   * @throws STORE_VERSION, STORE_INVALID, STORE_DATABASE, DATABASE_FAILED
   */
  get(): Promise<SqlImages> {
    return this.#database.get();
  }

  /** A connection to the database, whatever the state of its tables. The caller closes it. */
  async open(): Promise<SqlImages> {
    const { address, advice } = this.#options;
    if (address !== undefined) {
      const { openPostgres } = await import("./sql/postgres.ts");
      return new SqlImages(await openPostgres(address));
    }
    const { openSqlite } = await import("./sql/sqlite.ts");
    return new SqlImages(await openSqlite(this.#file, { repair: advice.command(["images", "fsck", "--rebuild"]) }));
  }

  async #openChecked(): Promise<SqlImages> {
    const { version, upgrade } = this.#options;
    let found = await version.read();
    if (found && found.version !== STORE_VERSION) {
      await upgrade();
      found = await version.read();
    }
    this.requireKind(found?.database);
    if (!this.shared && !existsSync(this.#file)) throw this.#lost();
    const images = await this.open();
    try {
      await this.#requireTables(images);
      if (found) await this.#requireSameDatabase(images, found.id);
      return images;
    } catch (error) {
      await images.close();
      throw error;
    }
  }

  /**
   * Creates the tables, or migrates older ones.
   * @param fromIndex also take the names from index.json, where a store of version 1 keeps them
   * @returns the id of the database
   */
  async makeTables(fromIndex: boolean): Promise<number> {
    if (!this.shared) await this.#makeFile();
    const images = await this.open();
    try {
      const { migrate } = await import("./sql/migrations.ts");
      await migrate(images.database);
      if (fromIndex) await images.adopt(await exportedNames(this.#options.index));
      return await images.id();
    } finally {
      await images.close();
    }
  }

  /** Creates an empty file for SQLite. A file that SQLite creates itself could be read by other users. */
  async #makeFile(): Promise<void> {
    try {
      await (await open(this.#file, "wx", 0o600)).close();
    } catch (error) {
      if (errnoOf(error) !== "EEXIST") throw await fileSystemError(error, "creating", this.#file);
    }
  }

  async #requireTables({ database }: SqlImages): Promise<void> {
    const version = await schemaVersion(database);
    requireKnown(database, version);
    if (version === SCHEMA_VERSION) return;
    // An empty file means that the names were lost, not that the store has none.
    if (version === 0 && !this.shared) throw this.#lost();
    const { migrate } = await import("./sql/migrations.ts");
    await migrate(database);
  }

  #lost(): GantryError {
    const { advice, directory, index } = this.#options;
    const rebuild = `\`${advice.command(["images", "fsck", "--rebuild"])}\``;
    return new GantryError(
      "STORE_INVALID",
      `the names of the store ${directory} are lost: ${this.#file} is missing or empty. ${
        existsSync(index.path)
          ? `${rebuild} restores them from index.json`
          : `index.json is missing too: ${rebuild} starts an empty list of names, and lists the images without a name`
      }`,
    );
  }

  /**
   * A collection must see all names, so a store uses one database.
   * @param kind what version.json says
   * @throws STORE_DATABASE where this store was opened with the other kind
   */
  requireKind(kind: DatabaseKind | undefined): void {
    if (kind === undefined || kind === this.kind) return;
    const { advice, directory } = this.#options;
    throw new GantryError(
      "STORE_DATABASE",
      kind === "postgres"
        ? `the names of the store ${directory} are in PostgreSQL; give its address with --store-db or GANTRY_STORE_DB`
        : `the store ${directory} keeps its names in its own database; to move them to PostgreSQL run \`${advice.command(["images", "fsck", "--rebuild"])}\`, or use a new --store`,
    );
  }

  /** Another database, or an old backup of the right one, has names of other blobs. @throws STORE_DATABASE */
  async #requireSameDatabase(images: SqlImages, id: number): Promise<void> {
    const { advice, directory, index } = this.#options;
    const exported = await exportedGeneration(index.path);
    const [found, generation] = [await images.id(), await images.generation()];
    const where = `the database ${images.database.name}`;
    const rebuild = advice.command(["images", "fsck", "--rebuild"]);
    if (found !== id) {
      throw new GantryError(
        "STORE_DATABASE",
        `${where} is not the one that keeps the names of the store ${directory}; check the address. To keep the names there from now on, run \`${rebuild}\``,
      );
    }
    if (exported > generation) {
      throw new GantryError(
        "STORE_DATABASE",
        `${where} is older than the index.json of the store ${directory} (its last change is ${generation}, that of index.json ${exported}): it may have been restored from a backup. \`${rebuild}\` merges the names of both`,
      );
    }
  }

  async close(): Promise<void> {
    const database = this.#database.value;
    this.#database.reset();
    await (await database?.catch(() => undefined))?.close();
  }
}
