import { randomUUID } from "node:crypto";
import { chmod, mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { errnoOf, GantryError, isGantryError } from "../base/error.ts";
import { defaultLimits, type Limits } from "../base/limits.ts";
import { BlobDirectory } from "../content/blob-directory.ts";
import { IndexFile } from "../registry/layout/index-file.ts";
import type { Registry } from "../registry/registry.ts";
import { parseJsonObject } from "../spec/json.ts";
import { fileSystemError } from "../sys/fs-error.ts";
import { type ImageStore, IndexImageStore } from "./images.ts";
import { createLease, type Lease } from "./leases.ts";
import { StoreRegistry } from "./registry.ts";

/** The version of the directory's shape that this code writes; it reads this one and refuses newer ones. */
const STORE_VERSION = 1;

export interface StoreOptions {
  readonly limits?: Limits;
}

/** Where a store is when nobody says: GANTRY_STORE, else /var/lib/gantry as root, else below the user's data home. */
export function defaultStoreDirectory(env: NodeJS.ProcessEnv = process.env): string {
  if (env["GANTRY_STORE"]) return env["GANTRY_STORE"];
  if (process.getuid?.() === 0) return "/var/lib/gantry";
  return join(env["XDG_DATA_HOME"] || join(homedir(), ".local", "share"), "gantry");
}

/**
 * Images on this machine: verified blobs, names for them, and leases for what is on its way. The directory is an
 * image layout too, so other tools can read it. It is its owner's alone (0700). Nothing is made before the first
 * write.
 *
 * Throws STORE_VERSION, STORE_INVALID, NO_SPACE, FILE_SYSTEM.
 */
export class Store {
  readonly directory: string;
  readonly blobs: BlobDirectory;
  readonly images: ImageStore;
  readonly registry: Registry;
  readonly #index: IndexFile;
  #prepared: Promise<void> | undefined;

  constructor(directory: string = defaultStoreDirectory(), options: StoreOptions = {}) {
    const limits = options.limits ?? defaultLimits;
    this.directory = resolve(directory);
    this.#index = new IndexFile(this.directory, { limits });
    this.blobs = new BlobDirectory(this.directory, { limits, name: `store ${this.directory}` });
    const prepare = (): Promise<void> => this.prepare();
    this.images = new GuardedImageStore(new IndexImageStore(this.#index), this);
    this.registry = new StoreRegistry(`store ${this.directory}`, {
      blobs: this.blobs,
      images: this.images,
      limits,
      prepare,
    });
  }

  /** Makes the directory, or checks that it is a store of a version that is known. */
  prepare(): Promise<void> {
    this.#prepared ??= this.#create();
    this.#prepared.catch(() => {
      this.#prepared = undefined;
    });
    return this.#prepared;
  }

  async #create(): Promise<void> {
    if (await this.exists()) return;
    await this.#index.create();
    try {
      await chmod(this.directory, 0o700);
      for (const name of ["layers", "leases", "tmp"])
        await mkdir(join(this.directory, name), { recursive: true, mode: 0o700 });
      const path = join(this.directory, "version.json");
      // Under a name of its own: another process may be making the same store.
      const temporary = `${path}.${randomUUID()}`;
      await writeFile(temporary, JSON.stringify({ version: STORE_VERSION }), { mode: 0o600 });
      await rename(temporary, path);
    } catch (error) {
      throw await fileSystemError(error, "creating the store", this.directory);
    }
  }

  /** False where there is no store yet. @throws STORE_VERSION for one that a newer gantry wrote */
  async exists(): Promise<boolean> {
    const path = join(this.directory, "version.json");
    let bytes: Buffer;
    try {
      bytes = await readFile(path);
    } catch (error) {
      if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR") return false;
      throw await fileSystemError(error, "reading", path);
    }
    let version: unknown;
    try {
      ({ version } = parseJsonObject(bytes, path));
    } catch (error) {
      throw new GantryError("STORE_INVALID", `${path} cannot be read: is ${this.directory} a store?`, { cause: error });
    }
    if (version === STORE_VERSION) return true;
    throw new GantryError(
      "STORE_VERSION",
      `the store ${this.directory} has version ${String(version)}, this gantry knows ${STORE_VERSION}; it was left untouched: use a newer gantry, or another --store`,
    );
  }

  /** Announces that blobs are on their way in. */
  async lease(reason: string): Promise<Lease> {
    await this.prepare();
    return createLease(this.directory, reason);
  }

  async close(): Promise<void> {
    await this.blobs.close();
  }
}

/** Reads of a store that does not exist find nothing; writes make it; both refuse a version that is not known. */
class GuardedImageStore implements ImageStore {
  readonly #inner: ImageStore;
  readonly #store: Store;

  constructor(inner: ImageStore, store: Store) {
    this.#inner = inner;
    this.#store = store;
  }

  async get(...args: Parameters<ImageStore["get"]>): ReturnType<ImageStore["get"]> {
    await this.#store.exists();
    return this.#inner.get(...args).catch((error: unknown) => {
      if (!isGantryError(error, "NAME_UNKNOWN")) throw error;
      throw new GantryError(
        "IMAGE_NOT_FOUND",
        `the store ${this.#store.directory} is empty; get ${args[0]} with \`gantry pull\``,
      );
    });
  }

  async list(): ReturnType<ImageStore["list"]> {
    return (await this.#store.exists()) ? this.#inner.list() : [];
  }

  async create(...args: Parameters<ImageStore["create"]>): ReturnType<ImageStore["create"]> {
    await this.#store.prepare();
    return this.#inner.create(...args);
  }

  async update(...args: Parameters<ImageStore["update"]>): ReturnType<ImageStore["update"]> {
    await this.#store.prepare();
    return this.#inner.update(...args);
  }

  async set(...args: Parameters<ImageStore["set"]>): ReturnType<ImageStore["set"]> {
    await this.#store.prepare();
    return this.#inner.set(...args);
  }

  async delete(...args: Parameters<ImageStore["delete"]>): ReturnType<ImageStore["delete"]> {
    // Finding nothing says so better than a lock in a directory that is not there.
    if (!(await this.#store.exists())) await this.get(args[0]);
    return this.#inner.delete(...args);
  }
}
