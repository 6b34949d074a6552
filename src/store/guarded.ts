import { GantryError } from "../base/error.ts";
import { matcher } from "./filter-match.ts";
import { parseFilter } from "./filters.ts";
import type { ImageStore, StoredImage } from "./images.ts";

/** What the guard needs to know of a store. */
interface Guarded {
  readonly directory: string;
  readonly shared: boolean;
  exists(): Promise<boolean>;
  prepare(): Promise<void>;
}

/** Reads of a store that does not exist find nothing; writes make it; both refuse a version that is not known. */
export class GuardedImages implements ImageStore {
  readonly #inner: ImageStore;
  readonly #store: Guarded;
  readonly #pull: (name: string) => string | undefined;

  /** @param pull the command that brings a name, if its name says from where */
  constructor(inner: ImageStore, store: Guarded, pull: (name: string) => string | undefined) {
    this.#inner = inner;
    this.#store = store;
    this.#pull = pull;
  }

  /** Shared names are there before this host has a directory. */
  async #readable(): Promise<boolean> {
    return this.#store.shared || (await this.#store.exists());
  }

  async get(name: string): Promise<StoredImage> {
    if (await this.#readable()) return this.#inner.get(name);
    const pull = this.#pull(name);
    throw new GantryError(
      "IMAGE_NOT_FOUND",
      `the store ${this.#store.directory} is empty: there is no ${name}${pull ? `; get it with \`${pull}\`` : ""}`,
      { details: { name } },
    );
  }

  async list(...filters: readonly string[]): Promise<readonly StoredImage[]> {
    if (await this.#readable()) return this.#inner.list(...filters);
    // A filter that is wrong is wrong before there is anything to filter.
    await matcher(filters.map(parseFilter));
    return [];
  }

  async create(...args: Parameters<ImageStore["create"]>): Promise<StoredImage> {
    await this.#store.prepare();
    return this.#inner.create(...args);
  }

  async update(...args: Parameters<ImageStore["update"]>): Promise<StoredImage> {
    await this.#store.prepare();
    return this.#inner.update(...args);
  }

  async set(...args: Parameters<ImageStore["set"]>): Promise<StoredImage> {
    await this.#store.prepare();
    return this.#inner.set(...args);
  }

  async delete(name: string): Promise<void> {
    // Finding nothing says so better than a new store does.
    if (!(await this.#readable())) await this.get(name);
    return this.#inner.delete(name);
  }
}
