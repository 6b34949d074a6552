import { resolve } from "node:path";
import { GantryError, isGantryError } from "../base/error.ts";
import { defaultLimits, type Limits } from "../base/limits.ts";
import { Once } from "../base/once.ts";
import { BlobDirectory } from "../content/blob-directory.ts";
import { IndexFile } from "../registry/layout/index-file.ts";
import type { Digest } from "../spec/digest.ts";
import type { Descriptor, Platform } from "../spec/types.ts";
import { Advice } from "./advice.ts";
import { checkable } from "./checkable.ts";
import { DEFAULT_NAMESPACE, defaultStoreDirectory, isUnwritable } from "./directory.ts";
import { NamesExport } from "./export.ts";
import { findImage } from "./find.ts";
import type { FsckOptions, FsckReport } from "./fsck.ts";
import type { GcOptions, GcReport } from "./gc/collect.ts";
import { GuardedImages } from "./guarded.ts";
import { StoreImage } from "./image.ts";
import { type ImageStore, parseNamespace, type StoredImage } from "./images.ts";
import { presenceOf } from "./kept-presence.ts";
import { LeaseKeeper } from "./lease-keeper.ts";
import { Lease } from "./leases.ts";
import { Names } from "./names.ts";
import type { StoreParts } from "./parts.ts";
import { prepareStore } from "./prepare.ts";
import type { Presence } from "./presence.ts";
import { type GivenName, StoreRegistry } from "./registry.ts";
import { Exporter } from "./repositories/exporter.ts";
import type { RepositoryRegistry } from "./repositories/registry.ts";
import { serveStore } from "./repositories/served-store.ts";
import { SqlImageStore } from "./sql/image-store.ts";
import { recoverBlob } from "./trash.ts";
import { VersionFile } from "./version-file.ts";

export interface StoreOptions {
  readonly limits?: Limits | undefined;
  /**
   * The PostgreSQL database with the names, which a fleet shares: `postgres://...`. Default: SQLite in the directory.
   */
  readonly database?: string | undefined;
  /** Default: `default`. */
  readonly namespace?: string | undefined;
}

export interface WriterOptions {
  readonly endless?: boolean | undefined;
  /** The image, by the name that the user wrote. */
  readonly given?: GivenName | undefined;
}

/**
 * Images on this machine: verified blobs, names for them, and leases for blobs that have no name yet. The directory is
 * an image layout too, so other tools can read it. Only its owner has access (0700). The first write creates it. Close
 * the store to release its leases.
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
  /** Writes out commands on this store, for errors that advise one. */
  readonly advice: Advice;
  /** Whether the names are in a database that other hosts use too. */
  readonly shared: boolean;
  readonly #parts: StoreParts;
  readonly #prepared: Once<void>;

  constructor(directory: string = defaultStoreDirectory(), options: StoreOptions = {}) {
    const limits = options.limits ?? defaultLimits;
    const root = resolve(directory);
    const address = options.database ?? (process.env["GANTRY_STORE_DB"] || undefined);
    this.namespace = parseNamespace(options.namespace ?? (process.env["GANTRY_NAMESPACE"] || DEFAULT_NAMESPACE));
    if (address !== undefined && !/^postgres(?:ql)?:\/\//.test(address)) {
      throw new GantryError("USAGE", "the database of a store must be an address like postgres://user@host/database");
    }
    const advice = new Advice({ directory: root, database: address, namespace: this.namespace });
    const version = new VersionFile(root);
    const index = new IndexFile(root, { limits });
    const names = new Names({ directory: root, address, advice, index, version, upgrade: () => this.prepare() });
    const exports = new NamesExport({ directory: root, advice, index, version, names });
    const blobs: BlobDirectory = new BlobDirectory(root, {
      limits,
      name: `store ${root}`,
      recover: (digest) => recoverBlob(blobs, digest),
    });
    this.limits = limits;
    this.directory = root;
    this.advice = advice;
    this.blobs = blobs;
    this.shared = names.shared;
    this.#parts = { directory: root, limits, advice, version, blobs, names, index, exports };
    this.#prepared = new Once(() => prepareStore(this.#parts));
    this.images = this.imagesOf(this.namespace);
    this.registry = this.#registry("writing", false);
  }

  /** The names of any namespace. */
  imagesOf(namespace: string): ImageStore {
    return this.#imagesOf(namespace, (change) => this.#parts.exports.after(change));
  }

  #imagesOf(namespace: string, changed: (generation: number) => Promise<void>): ImageStore {
    const images = new SqlImageStore(() => this.#parts.names.get(), {
      namespace: parseNamespace(namespace),
      advice: this.advice,
      where: `the store ${this.directory}${namespace === DEFAULT_NAMESPACE ? "" : ` (namespace ${namespace})`}`,
      changed,
    });
    return new GuardedImages(images, this, (name) => this.advice.pull(name, { namespace }));
  }

  /**
   * This store as the destination of images: blobs that are resolved or pushed are leased until `release`.
   * @param options.endless for a server: a lease is replaced every hour, while the registry stays in use
   */
  writer(reason: string, options: WriterOptions = {}): StoreRegistry {
    return this.#registry(reason, true, options);
  }

  /** This store as the source of one image, which is found by the name that the user wrote, and can be tagged. */
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
   * This store as repositories for clients of a server; each shows only its own content. Names that clients set are
   * written to index.json some time later, at the latest on `close`, which leaves the store open.
   */
  async serve(): Promise<RepositoryRegistry> {
    const { names, exports } = this.#parts;
    const exporter = new Exporter(async () => exports.after(await (await names.get()).generation()));
    const lease = new LeaseKeeper(this.directory, "serve", { endless: true });
    return serveStore({
      directory: this.directory,
      blobs: this.blobs,
      limits: this.limits,
      namespace: this.namespace,
      images: this.#imagesOf(this.namespace, async () => exporter.changed()),
      tables: names.repositories,
      lease,
      prepare: () => this.prepare(),
      changed: () => exporter.changed(),
      async close() {
        await exporter.close();
        await lease.release();
      },
    });
  }

  /** Creates the store, or migrates it to the version of this code. */
  prepare(): Promise<void> {
    return this.#prepared.get();
  }

  /** False where there is no store yet. @throws STORE_VERSION for one that a newer gantry wrote */
  exists(): Promise<boolean> {
    return this.#parts.version.exists();
  }

  /**
   * The image with exactly this name (`backup`), else with the name in full (`docker.io/library/alpine:latest` for
   * `alpine`).
   * @throws IMAGE_NOT_FOUND
   */
  find(name: string): Promise<StoredImage> {
    return findImage(this.images, name);
  }

  /** The image of a name, to be read and checked, found as {@link find} does. @throws IMAGE_NOT_FOUND */
  async image(name: string, options: { readonly platform?: Platform | undefined } = {}): Promise<StoreImage> {
    return new StoreImage(this.blobs, await this.find(name), { limits: this.limits, platform: options.platform });
  }

  /**
   * Protects a document and everything that it leads to from collection while an image is read, even if its name is
   * deleted. A store that is missing, full or not writable is read without protection.
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

  /** Keeps blobs from being collected before they have a name. */
  async lease(reason: string): Promise<Lease> {
    await this.prepare();
    return Lease.create(this.directory, reason);
  }

  /** How much of each of these images is on this host, in their order. */
  presence(targets: readonly Descriptor[]): Promise<readonly Presence[]> {
    return presenceOf(this.#parts, targets);
  }

  /** Removes the blobs and extracted layers that no name and no lease leads to. @see collectGarbage */
  async gc(options: GcOptions = {}): Promise<GcReport> {
    if (!(await this.exists())) return { blobs: [], layers: [], bytes: 0, kept: 0 };
    if (!options.dryRun) await this.prepare();
    const { collectGarbage } = await import("./gc/collect.ts");
    return collectGarbage(checkable(this.#parts), options);
  }

  /**
   * Hashes every blob and follows every image. With `rebuild` a missing or unreadable database is restored from
   * index.json, the names that only index.json has are added, and damaged blobs are removed.
   * @see checkStore
   * @throws STORE_NOT_FOUND
   */
  async fsck(options: FsckOptions = {}): Promise<FsckReport> {
    await this.#parts.version.require();
    const rebuilt = options.rebuild ? await this.#rebuild() : { repaired: [], namesLost: false };
    await this.prepare();
    const { checkStore } = await import("./fsck.ts");
    const report = await checkStore(checkable(this.#parts), { ...options, namesLost: rebuilt.namesLost });
    return { ...report, repaired: [...rebuilt.repaired, ...report.repaired] };
  }

  async #rebuild(): Promise<{ readonly repaired: readonly string[]; readonly namesLost: boolean }> {
    const { rebuildNames } = await import("./rebuild.ts");
    await this.#parts.names.close();
    return rebuildNames(this.#parts);
  }

  async close(): Promise<void> {
    await this.registry.release();
    await this.blobs.close();
    await this.#parts.names.close();
  }
}
