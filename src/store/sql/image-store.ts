import { GantryError } from "../../base/error.ts";
import type { Descriptor } from "../../spec/types.ts";
import type { Advice } from "../advice.ts";
import {
  applyUpdate,
  checkImage,
  type FieldPath,
  type ImageRecord,
  type ImageStore,
  isName,
  type StoredImage,
} from "../images.ts";
import type { SqlImages } from "./images.ts";

interface SqlImageStoreOptions {
  readonly namespace: string;
  /** Names the store in messages. */
  readonly where: string;
  readonly advice: Advice;
  /** Called after each change with its generation. The caller of the change waits for it. */
  readonly changed: (generation: number) => Promise<void>;
}

/** The names of one namespace. */
export class SqlImageStore implements ImageStore {
  readonly #images: () => Promise<SqlImages>;
  readonly #options: SqlImageStoreOptions;

  constructor(images: () => Promise<SqlImages>, options: SqlImageStoreOptions) {
    this.#images = images;
    this.#options = options;
  }

  async get(name: string): Promise<StoredImage> {
    const found = isName(name) ? await (await this.#images()).get(this.#options.namespace, name) : undefined;
    return found ?? this.#notFound(name);
  }

  async list(...filters: readonly string[]): Promise<readonly StoredImage[]> {
    return (await this.#images()).list(this.#options.namespace, filters);
  }

  create(image: ImageRecord): Promise<StoredImage> {
    return this.#change(image.name, (old) => {
      if (old) throw new GantryError("IMAGE_EXISTS", `${this.#options.where} already has an image ${image.name}`);
      return checkImage(image);
    });
  }

  update(image: ImageRecord, ...fields: readonly FieldPath[]): Promise<StoredImage> {
    return this.#change(image.name, (old) => applyUpdate(old ?? this.#notFound(image.name), image, fields));
  }

  set(name: string, target: Descriptor): Promise<StoredImage> {
    const checked = checkImage({ name, target });
    return this.#change(name, (old) => ({ target: checked.target, labels: old?.labels ?? {} }));
  }

  async delete(name: string): Promise<void> {
    await this.#change(name, (old) => void (old ?? this.#notFound(name)));
  }

  async #change(name: string, change: Parameters<SqlImages["change"]>[2]): Promise<StoredImage> {
    // PostgreSQL refuses a NUL. No image has such a name: the change is told so, and throws.
    if (!isName(name)) change(undefined);
    const { image, generation } = await (await this.#images()).change(this.#options.namespace, name, change);
    await this.#options.changed(generation);
    return image as StoredImage;
  }

  #notFound(name: string): never {
    const { advice, namespace, where } = this.#options;
    const pull = advice.pull(name, { namespace });
    const next = pull
      ? `get it with \`${pull}\``
      : `\`${advice.command(["images", "ls"], namespace)}\` lists the images that it has`;
    throw new GantryError("IMAGE_NOT_FOUND", `${where} has no image ${name}; ${next}`, { details: { name } });
  }
}
