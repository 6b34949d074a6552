import { GantryError } from "../base/error.ts";
import { matcher } from "./filter-match.ts";
import { parseFilter } from "./filters.ts";
import type { ImageStore, StoredImage } from "./images.ts";

/** What the guard needs of a store. */
interface Guarded {
  readonly directory: string;
  readonly shared: boolean;
  exists(): Promise<boolean>;
  prepare(): Promise<void>;
}

/** The names of a store that may be missing: reads find nothing then, and a write creates the store. */
export class GuardedImages implements ImageStore {
  readonly #inner: ImageStore;
  readonly #store: Guarded;
  readonly #pull: (name: string) => string | undefined;

  /** @param pull the command that pulls an image, where its name says from which registry */
  constructor(inner: ImageStore, store: Guarded, pull: (name: string) => string | undefined) {
    this.#inner = inner;
    this.#store = store;
    this.#pull = pull;
  }

  /** Names that hosts share can be read without a store on this host. */
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
    // A wrong filter is an error in an empty store too.
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
    // A delete must not create a missing store. `get` throws.
    if (!(await this.#readable())) await this.get(name);
    return this.#inner.delete(name);
  }
}
