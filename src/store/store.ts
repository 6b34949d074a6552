import { existsSync } from "node:fs";
import { chmod, mkdir, open, rename, stat, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { errnoOf, GantryError, isGantryError } from "../base/error.ts";
import { defaultLimits, type Limits } from "../base/limits.ts";
import { BlobDirectory } from "../content/blob-directory.ts";
import { IndexFile } from "../registry/layout/index-file.ts";
import type { Digest } from "../spec/digest.ts";
import { parseJsonObject } from "../spec/json.ts";
import type { Descriptor, Platform } from "../spec/types.ts";
import { fileSystemError } from "../sys/fs-error.ts";
import { withLock } from "../sys/lock.ts";
import { temporaryName } from "../sys/owner.ts";
import { readSmallFile } from "../sys/regular-file.ts";
import { Advice } from "./advice.ts";
import { Derived } from "./derived.ts";
import {
  blobListings,
  DEFAULT_NAMESPACE,
  defaultStoreDirectory,
  derivedFile,
  isUnwritable,
  namesFile,
  requireOwnParts,
} from "./directory.ts";
import { exportedGeneration, exportNames, fromEntry, removeLeftovers } from "./export.ts";
import { findImage } from "./find.ts";
import type { Checkable, FsckOptions, FsckReport } from "./fsck.ts";
import type { GcOptions, GcReport } from "./gc.ts";
import { GuardedImages } from "./guarded.ts";
import type { StoreImage } from "./image.ts";
import { type ImageStore, parseNamespace, type StoredImage } from "./images.ts";
import { Lease, LeaseKeeper } from "./leases.ts";
import type { Presence } from "./presence.ts";
import type { Rebuilt } from "./rebuild.ts";
import { type GivenName, StoreRegistry } from "./registry.ts";
import type { RepositoryRegistry } from "./repositories/registry.ts";
import { forgetContent, keptByDigest, RepositoryTables } from "./repositories/tables.ts";
import { type NamespacedImage, SqlImageStore, SqlImages } from "./sql/images.ts";
import { requireKnown, SCHEMA_VERSION, schemaVersion } from "./sql/version.ts";

/** The version of the directory's shape that this code writes. It brings older ones up to it, and refuses newer ones. */
const STORE_VERSION = 2;
const MAX_VERSION = 64 << 10;

export interface StoreOptions {
  readonly limits?: Limits | undefined;
  /** The PostgreSQL database that keeps the names, shared by a fleet: `postgres://...`. Default: SQLite in the directory. */
  readonly database?: string | undefined;
  /** Default: `default`. */
  readonly namespace?: string | undefined;
}

interface WriterOptions {
  readonly endless?: boolean | undefined;
  /** The image to write, by the name that its user wrote. */
  readonly given?: GivenName | undefined;
}

type DatabaseKind = "sqlite" | "postgres";

/**
 * Images on this machine: verified blobs, names for them, and leases for what is on its way. The directory is an
 * image layout too, so other tools can read it. It is its owner's alone (0700). Nothing is made before the first
 * write. Close it, so that nothing of this process stays in it.
 *
 * Throws STORE_VERSION, STORE_INVALID, STORE_DATABASE, DATABASE_FAILED, NO_SPACE, FILE_SYSTEM.
 */
export class Store {
  readonly directory: string;
  readonly blobs: BlobDirectory;
  /** The names of this store's namespace. */
  readonly images: ImageStore;
  readonly registry: StoreRegistry;
  readonly namespace: string;
  readonly limits: Limits;
  readonly #address: string | undefined;
  /** Writes out commands on this store, for errors that advise one. */
  readonly advice: Advice;
  readonly #index: IndexFile;
  #prepared: Promise<void> | undefined;
  #database: Promise<SqlImages> | undefined;

  constructor(directory: string = defaultStoreDirectory(), options: StoreOptions = {}) {
    this.limits = options.limits ?? defaultLimits;
    this.directory = resolve(directory);
    this.namespace = parseNamespace(options.namespace ?? (process.env["GANTRY_NAMESPACE"] || DEFAULT_NAMESPACE));
    this.#address = options.database ?? (process.env["GANTRY_STORE_DB"] || undefined);
    if (this.#address !== undefined && !/^postgres(?:ql)?:\/\//.test(this.#address)) {
      throw new GantryError("USAGE", "the database of a store is an address like postgres://user@host/database");
    }
    this.advice = new Advice({ directory: this.directory, database: this.#address, namespace: this.namespace });
    this.#index = new IndexFile(this.directory, { limits: this.limits });
    this.blobs = new BlobDirectory(this.directory, {
      limits: this.limits,
      name: `store ${this.directory}`,
      recover: (digest) => this.#recover(digest),
    });
    this.images = this.imagesOf(this.namespace);
    this.registry = this.#registry("writing", false);
  }

  /** The names of any namespace. */
  imagesOf(namespace: string): ImageStore {
    return this.#imagesOf(namespace, (generation) => this.#export(generation));
  }

  #imagesOf(namespace: string, changed: (generation: number) => Promise<void>): ImageStore {
    const images = new SqlImageStore(() => this.#names(), {
      namespace: parseNamespace(namespace),
      advice: this.advice,
      where: `the store ${this.directory}${namespace === DEFAULT_NAMESPACE ? "" : ` (namespace ${namespace})`}`,
      changed,
    });
    return new GuardedImages(images, this, (name) => this.advice.pull(name, { namespace }));
  }

  /** A blob that a collection has put aside, and that somebody wants. */
  async #recover(digest: Digest): Promise<boolean> {
    if (!existsSync(join(this.directory, "trash"))) return false;
    return (await import("./gc.ts")).recoverBlob(this.blobs, digest);
  }

  /**
   * This store as somewhere to put images: what is found or brought is protected until `release`.
   * @param options.endless for a server: what it protects is let go after some hours, though it goes on
   */
  writer(reason: string, options: WriterOptions = {}): StoreRegistry {
    return this.#registry(reason, true, options);
  }

  /** This store as where one image is read, by the name that its user wrote, and tagged. */
  reader(reason: string, given: GivenName | undefined): StoreRegistry {
    return this.#registry(reason, false, { given });
  }

  #registry(reason: string, eager: boolean, options: WriterOptions = {}): StoreRegistry {
    return new StoreRegistry(`store ${this.directory}`, {
      blobs: this.blobs,
      images: this.images,
      limits: this.limits,
      prepare: () => this.prepare(),
      lease: new LeaseKeeper(this.directory, reason, options),
      eager,
      given: options.given,
      close: () => this.close(),
    });
  }

  /**
   * This store as repositories for clients of a server, each with what it has alone. Names that clients give are exported
   * to index.json some time later, and when it is closed; that does not close the store.
   */
  async serve(): Promise<RepositoryRegistry> {
    const { serveStore } = await import("./repositories/store.ts");
    const { Exporter } = await import("./repositories/exporter.ts");
    const exporter = new Exporter(async () => this.#export(await (await this.#names()).generation()));
    const lease = new LeaseKeeper(this.directory, "serve", { endless: true });
    return serveStore({
      directory: this.directory,
      blobs: this.blobs,
      limits: this.limits,
      namespace: this.namespace,
      images: this.#imagesOf(this.namespace, async () => exporter.changed()),
      lease,
      database: async () => (await this.#names()).database,
      prepare: () => this.prepare(),
      changed: () => exporter.changed(),
      async close() {
        await exporter.close();
        await lease.release();
      },
    });
  }

  /** Whether the names are in a database that other hosts use too. */
  get shared(): boolean {
    return this.#address !== undefined;
  }

  /** Makes the directory, or brings it up to the version of this code. */
  prepare(): Promise<void> {
    this.#prepared ??= this.#create();
    this.#prepared.catch(() => {
      this.#prepared = undefined;
    });
    return this.#prepared;
  }

  async #create(): Promise<void> {
    const found = await this.#version();
    if (found?.version === STORE_VERSION) {
      this.#requireSameKind(found.database);
      // What a collection that was killed put aside may be what is wanted now.
      await this.#restoreTrash();
      return;
    }
    if (!found) {
      await this.#refuseLayout();
      await this.#index.create();
    }
    try {
      await chmod(this.directory, 0o700);
      for (const name of ["layers", "leases"])
        await mkdir(join(this.directory, name), { recursive: true, mode: 0o700 });
      await withLock(join(this.directory, "version.json.lock"), async () => {
        const now = await this.#version();
        if (now?.version === STORE_VERSION) return;
        await this.#writeVersion(await this.#makeTables(now?.version === 1));
      });
    } catch (error) {
      throw await fileSystemError(error, "creating the store", this.directory);
    }
  }

  /** Brings back what a collection that was killed put aside; in a store that cannot be written to it stays there. */
  async #restoreTrash(): Promise<void> {
    if (!(await isOld(join(this.directory, "trash")))) return;
    const { restoreTrash } = await import("./gc.ts");
    await restoreTrash(this.blobs).catch((error: unknown) => {
      if (!isUnwritable(error)) throw error;
    });
  }

  /** Somebody's layout is not ours to take over: its names would be lost with the first change. */
  async #refuseLayout(): Promise<void> {
    const names = await this.#index.read().catch((error: unknown) => {
      if (isGantryError(error, "NAME_UNKNOWN")) return undefined;
      throw error;
    });
    if (!names?.manifests.length) return;
    throw new GantryError(
      "TARGET_NOT_EMPTY",
      `${this.directory} is an image layout, and no store (it has no version.json); name another --store, and read the layout as oci:${this.directory}`,
    );
  }

  /**
   * Makes the names' tables; the names of a store of version 1 are in its index.json.
   * @returns the number that tells the database from others
   */
  async #makeTables(migrateNames: boolean): Promise<number> {
    if (!this.shared) await this.#makeFile();
    const images = await this.#open();
    try {
      const { migrate } = await import("./sql/migrations.ts");
      await migrate(images.database);
      if (migrateNames) await images.adopt(await this.#exported());
      return await images.id();
    } finally {
      await images.close();
    }
  }

  /** An empty file that SQLite fills; it would make one for everybody to read, within the directory's own limits. */
  async #makeFile(): Promise<void> {
    try {
      await (await open(this.#file, "wx", 0o600)).close();
    } catch (error) {
      if (errnoOf(error) !== "EEXIST") throw await fileSystemError(error, "creating", this.#file);
    }
  }

  async #writeVersion(id: number): Promise<void> {
    const database: DatabaseKind = this.shared ? "postgres" : "sqlite";
    const path = join(this.directory, "version.json");
    // Under a name of its own: another process may be making the same store.
    const temporary = join(this.directory, temporaryName("version.json"));
    await writeFile(temporary, JSON.stringify({ version: STORE_VERSION, database, id }), { mode: 0o600 });
    await rename(temporary, path);
  }

  get #file(): string {
    return namesFile(this.directory);
  }

  /** A connection to the names, whatever state their tables are in. */
  async #open(): Promise<SqlImages> {
    if (this.#address !== undefined) {
      const { openPostgres } = await import("./sql/postgres.ts");
      return new SqlImages(await openPostgres(this.#address));
    }
    const { openSqlite } = await import("./sql/sqlite.ts");
    return new SqlImages(
      await openSqlite(this.#file, { repair: this.advice.command(["images", "fsck", "--rebuild"]) }),
    );
  }

  /** The names, in tables of the version that this code knows. */
  #names(): Promise<SqlImages> {
    this.#database ??= this.#openNames();
    const database = this.#database;
    database.catch(() => {
      if (this.#database === database) this.#database = undefined;
    });
    return database;
  }

  async #openNames(): Promise<SqlImages> {
    let found = await this.#version();
    if (found && found.version !== STORE_VERSION) {
      await this.prepare();
      found = await this.#version();
    }
    this.#requireSameKind(found?.database);
    if (!this.shared && !existsSync(this.#file)) throw this.#namesLost();
    const images = await this.#open();
    try {
      await this.#requireTables(images);
      if (found) await this.#requireSameDatabase(images, found.id);
      return images;
    } catch (error) {
      await images.close();
      throw error;
    }
  }

  /** Tables as this code knows them. @throws STORE_VERSION, STORE_INVALID */
  async #requireTables(images: SqlImages): Promise<void> {
    const { database } = images;
    const version = await schemaVersion(database);
    requireKnown(database, version);
    if (version === SCHEMA_VERSION) return;
    // An empty file is not a store without names: it is one whose names are lost.
    if (version === 0 && !this.shared) throw this.#namesLost();
    const { migrate } = await import("./sql/migrations.ts");
    await migrate(database);
  }

  #namesLost(): GantryError {
    const rebuild = `\`${this.advice.command(["images", "fsck", "--rebuild"])}\``;
    return new GantryError(
      "STORE_INVALID",
      `the names of the store ${this.directory} are gone: ${this.#file} is missing or empty. ${
        existsSync(this.#index.path)
          ? `${rebuild} restores them from index.json`
          : `So is index.json, so what was called how is lost: ${rebuild} begins an empty list of names, and says which images lie there without one`
      }`,
    );
  }

  #noStore(): GantryError {
    const { directory } = this;
    return new GantryError(
      "STORE_NOT_FOUND",
      existsSync(this.#index.path)
        ? `${directory} is an image layout, and no store (it has no version.json); read it as oci:${directory}, or name the store with --store`
        : `there is no store at ${directory}: the first image that is pulled there makes it; name another one with --store`,
    );
  }

  /** Names in two places would make a collection blind to half of them. */
  #requireSameKind(kind: DatabaseKind | undefined): void {
    const own: DatabaseKind = this.shared ? "postgres" : "sqlite";
    if (kind === undefined || kind === own) return;
    throw new GantryError(
      "STORE_DATABASE",
      kind === "postgres"
        ? `the names of the store ${this.directory} are in PostgreSQL; say where with --store-db or GANTRY_STORE_DB`
        : `the store ${this.directory} keeps its names in its own database; to take them to PostgreSQL run \`${this.advice.command(["images", "fsck", "--rebuild"])}\`, or use a new --store`,
    );
  }

  /** Another database's names, or names of yesterday, lead to other bytes. @throws STORE_DATABASE */
  async #requireSameDatabase(images: SqlImages, id: number): Promise<void> {
    const exported = await exportedGeneration(this.#index.path);
    const [found, generation] = [await images.id(), await images.generation()];
    const where = `the database ${images.database.name}`;
    const rebuild = this.advice.command(["images", "fsck", "--rebuild"]);
    if (found !== id) {
      throw new GantryError(
        "STORE_DATABASE",
        `${where} is not the one that keeps the names of the store ${this.directory}; check the address. If it shall be from now on, \`${rebuild}\` brings the names there`,
      );
    }
    if (exported > generation) {
      throw new GantryError(
        "STORE_DATABASE",
        `${where} is older than the index.json of the store ${this.directory} (change ${generation} and change ${exported}): it may have been restored. \`${rebuild}\` takes the names of both`,
      );
    }
  }

  /**
   * Undefined where there is no store yet. Everything that a store does begins here, so this is where its parts are
   * looked at.
   * @throws STORE_VERSION for one that a newer gantry wrote; NOT_REGULAR_FILE
   */
  async #version(): Promise<{ version: number; database: DatabaseKind; id: number } | undefined> {
    requireOwnParts(this.directory);
    const path = join(this.directory, "version.json");
    const bytes = await readSmallFile(path, { limit: MAX_VERSION });
    if (!bytes) return undefined;
    let version: unknown;
    let database: unknown;
    let id: unknown;
    try {
      ({ version, database = "sqlite", id = 0 } = parseJsonObject(bytes, path));
    } catch (error) {
      throw new GantryError("STORE_INVALID", `${path} cannot be read: is ${this.directory} a store?`, { cause: error });
    }
    if ((version === 1 || version === STORE_VERSION) && (database === "sqlite" || database === "postgres")) {
      return { version, database, id: Number(id) };
    }
    throw new GantryError(
      "STORE_VERSION",
      `the store ${this.directory} has version ${String(version)}, this gantry knows ${STORE_VERSION}; it was left untouched: use a newer gantry, or another --store`,
    );
  }

  /** False where there is no store yet. @throws STORE_VERSION for one that a newer gantry wrote */
  async exists(): Promise<boolean> {
    return (await this.#version()) !== undefined;
  }

  /**
   * The image that a user means: the name as it is given (`backup`), else in full (`docker.io/library/alpine:latest` for
   * `alpine`).
   * @throws IMAGE_NOT_FOUND
   */
  find(name: string): Promise<StoredImage> {
    return findImage(this.images, name);
  }

  /** The image under a name, to be read and checked, found as {@link find} does. @throws IMAGE_NOT_FOUND */
  async image(name: string, options: { readonly platform?: Platform | undefined } = {}): Promise<StoreImage> {
    const { StoreImage } = await import("./image.ts");
    return new StoreImage(this.blobs, await this.find(name), { limits: this.limits, platform: options.platform });
  }

  /**
   * Keeps an image that is read from being collected, though its name goes: its document, and all that this leads to.
   * Where the store cannot be written to, or is not there, nothing is protected and the image is read all the same.
   * @param reason shown to people, never read by a program
   */
  async protect(digest: Digest, reason: string): Promise<AsyncDisposable> {
    const keeper = new LeaseKeeper(this.directory, reason);
    try {
      if (await this.exists()) await this.prepare().then(() => keeper.protect(digest));
    } catch (error) {
      await keeper.release();
      if (!isUnwritable(error) && !isGantryError(error, "NO_SPACE")) throw error;
    }
    return { [Symbol.asyncDispose]: () => keeper.release() };
  }

  /** Announces that blobs are on their way in. */
  async lease(reason: string): Promise<Lease> {
    await this.prepare();
    return Lease.create(this.directory, reason);
  }

  /** Writes the names where other tools look for them. */
  async #export(atLeast: number): Promise<void> {
    // A host that only looks at shared names has no directory to write to.
    if (!(await this.exists())) return;
    try {
      await this.#exportNames(atLeast);
    } catch (error) {
      if (!isGantryError(error)) throw error;
      const said = `the change is made, but index.json could not be written: ${error.message}; \`${this.advice.command(["images", "fsck"])}\` does it`;
      throw new GantryError(error.code, said, { cause: error });
    }
  }

  /** Of names that a fleet shares, index.json shows those that are here. */
  async #exportNames(atLeast: number): Promise<void> {
    const names = await this.#names();
    if (this.shared) {
      const { inventory } = await import("./presence.ts");
      const here = await inventory(this.directory);
      await exportNames(this.#index, names, atLeast, ({ target }) => here.has(target.digest));
    } else await exportNames(this.#index, names, atLeast);
    await removeLeftovers(this.directory);
  }

  /** How much of each of these images is on this host, in their order. */
  async presence(targets: readonly Descriptor[]): Promise<readonly Presence[]> {
    await this.#restoreTrash();
    // As long as no blob comes or goes, what was found out before is still true.
    const kept = new Derived(derivedFile(this.directory, "presence.json"), blobListings(this.directory));
    const known = new Map(JSON.parse(kept.read() ?? "[]") as [string, Presence][]);
    const unknown = targets.filter((target) => !known.has(keyOf(target)));
    if (unknown.length > 0) {
      const { inventory, PresenceScan } = await import("./presence.ts");
      const scan = new PresenceScan(this.blobs, await inventory(this.directory), this.limits);
      for (const target of unknown) {
        const { missing: _missing, ...presence } = scan.examine(target);
        known.set(keyOf(target), presence);
      }
      if (await this.exists()) kept.keep(JSON.stringify([...known]));
    }
    return targets.map((target) => known.get(keyOf(target))!);
  }

  async #repositories(): Promise<RepositoryTables> {
    const { database } = await this.#names();
    return new RepositoryTables(async () => database);
  }

  #parts(): Checkable {
    return {
      directory: this.directory,
      blobs: this.blobs,
      limits: this.limits,
      shared: this.shared,
      advice: this.advice,
      snapshot: async () => (await this.#names()).snapshot(),
      generation: async () => (await this.#names()).generation(),
      pushed: async () => (await this.#repositories()).read(keptByDigest),
      removed: async (digests) => {
        // Where names are shared another host may have the bytes.
        if (!this.shared) await (await this.#repositories()).change((run) => forgetContent(run, digests));
      },
      checkDatabase: async () => (await this.#names()).check(),
      exportAll: async () => {
        const generation = await (await this.#names()).generation();
        if (existsSync(this.#index.path)) await this.#index.create();
        if ((await exportedGeneration(this.#index.path)) >= generation) return false;
        await this.#exportNames(generation);
        await this.#index.create();
        return true;
      },
      exported: () => exportedGeneration(this.#index.path),
    };
  }

  /** Removes the blobs and extracted layers that no name and no lease leads to. @see collectGarbage */
  async gc(options: GcOptions = {}): Promise<GcReport> {
    if (!(await this.exists())) return { blobs: [], layers: [], bytes: 0, kept: 0 };
    if (!options.dryRun) await this.prepare();
    const { collectGarbage } = await import("./gc.ts");
    return collectGarbage(this.#parts(), options);
  }

  /**
   * Hashes every blob and follows every image. With `rebuild` a database that is gone or cannot be read is made anew
   * from index.json, names in there that the database lacks are taken over, and damaged blobs are removed.
   * @see checkStore
   * @throws STORE_NOT_FOUND
   */
  async fsck(options: FsckOptions = {}): Promise<FsckReport> {
    if (!(await this.exists())) throw this.#noStore();
    const { repaired, namesLost } = options.rebuild ? await this.#rebuild() : { repaired: [], namesLost: false };
    await this.prepare();
    const { checkStore } = await import("./fsck.ts");
    const report = await checkStore(this.#parts(), { ...options, namesLost });
    return { ...report, repaired: [...repaired, ...report.repaired] };
  }

  /** The names that index.json shows. */
  async #exported(): Promise<readonly NamespacedImage[]> {
    return (await this.#index.read()).manifests.flatMap((entry) => fromEntry(entry) ?? []);
  }

  async #rebuild(): Promise<Rebuilt> {
    await this.#closeNames();
    const { rebuildNames } = await import("./rebuild.ts");
    return rebuildNames({
      directory: this.directory,
      index: this.#index,
      shared: this.shared,
      state: async () => {
        const found = await this.#version();
        const moving = this.shared && found?.database === "sqlite";
        if (!moving) this.#requireSameKind(found?.database);
        return { moving, id: found?.id };
      },
      makeTables: () => this.#makeTables(false),
      open: () => this.#open(),
      writeVersion: (id) => this.#writeVersion(id),
    });
  }

  async #closeNames(): Promise<void> {
    const database = this.#database;
    this.#database = undefined;
    await (await database?.catch(() => undefined))?.close();
  }

  async close(): Promise<void> {
    await this.registry.release();
    await this.blobs.close();
    await this.#closeNames();
  }
}

/** The same bytes may be read as two things. */
const keyOf = ({ digest, mediaType }: Descriptor): string => `${digest} ${mediaType}`;

/** Whether a directory is there, and nobody has put anything into it for a while. */
async function isOld(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  return found !== undefined && Date.now() - found.mtimeMs > 30_000;
}
