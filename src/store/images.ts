import { GantryError } from "../base/error.ts";
import type { IndexFile } from "../registry/layout/index-file.ts";
import { annotationKeys } from "../spec/annotations.ts";
import type { Descriptor } from "../spec/types.ts";

/** A name in a store and what it stands for. */
export interface StoredImage {
  /** The reference in full: `docker.io/library/alpine:3.20`. */
  readonly name: string;
  readonly target: Descriptor;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

/** Names of images. A name appears last, after all that it stands for, and never half. */
export interface ImageStore {
  /** @throws IMAGE_NOT_FOUND */
  get(name: string): Promise<StoredImage>;
  /** In the order of the names' bytes. */
  list(): Promise<readonly StoredImage[]>;
  /** @throws IMAGE_EXISTS */
  create(name: string, target: Descriptor): Promise<StoredImage>;
  /** Makes an existing name stand for something else. @throws IMAGE_NOT_FOUND */
  update(name: string, target: Descriptor): Promise<StoredImage>;
  /** Creates or updates, whichever it takes. */
  set(name: string, target: Descriptor): Promise<StoredImage>;
  /** @throws IMAGE_NOT_FOUND */
  delete(name: string): Promise<void>;
}

const annotationCreated = "dev.gantry.created";
const annotationUpdated = "dev.gantry.updated";

/** Names kept in the index.json of the store, where other tools find them as ref.name. */
export class IndexImageStore implements ImageStore {
  readonly #index: IndexFile;

  constructor(index: IndexFile) {
    this.#index = index;
  }

  async get(name: string): Promise<StoredImage> {
    const found = (await this.list()).find((image) => image.name === name);
    if (!found) throw this.#notFound(name);
    return found;
  }

  async list(): Promise<readonly StoredImage[]> {
    const { manifests } = await this.#index.read();
    return manifests
      .flatMap((entry) => toImage(entry) ?? [])
      .sort((a, b) => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)));
  }

  create(name: string, target: Descriptor): Promise<StoredImage> {
    return this.#write(name, target, (old) => {
      if (old) throw new GantryError("IMAGE_EXISTS", `the store ${this.#index.root} already has an image ${name}`);
    });
  }

  update(name: string, target: Descriptor): Promise<StoredImage> {
    return this.#write(name, target, (old) => {
      if (!old) throw this.#notFound(name);
    });
  }

  set(name: string, target: Descriptor): Promise<StoredImage> {
    return this.#write(name, target, () => {});
  }

  async #write(name: string, target: Descriptor, check: (old: StoredImage | undefined) => void): Promise<StoredImage> {
    let written: StoredImage | undefined;
    await this.#index.update((entries) => {
      const isOld = (entry: Descriptor): boolean => entry.annotations?.[annotationKeys.refName] === name;
      const old = entries.filter(isOld).flatMap((entry) => toImage(entry) ?? [])[0];
      check(old);
      const updatedAt = new Date();
      const entry = toEntry({ name, target, createdAt: old?.createdAt ?? updatedAt, updatedAt });
      written = toImage(entry);
      return [...entries.filter((other) => !isOld(other)), entry];
    });
    return written!;
  }

  async delete(name: string): Promise<void> {
    await this.#index.update((entries) => {
      const kept = entries.filter((entry) => entry.annotations?.[annotationKeys.refName] !== name);
      if (kept.length === entries.length) throw this.#notFound(name);
      return kept;
    });
  }

  #notFound(name: string): GantryError<"IMAGE_NOT_FOUND"> {
    return new GantryError(
      "IMAGE_NOT_FOUND",
      `the store ${this.#index.root} has no image ${name}; get it with \`gantry pull\``,
      {
        details: { name },
      },
    );
  }
}

function toEntry(image: StoredImage): Descriptor {
  return {
    ...image.target,
    annotations: {
      ...image.target.annotations,
      [annotationKeys.refName]: image.name,
      [annotationCreated]: image.createdAt.toISOString(),
      [annotationUpdated]: image.updatedAt.toISOString(),
    },
  };
}

function toImage(entry: Descriptor): StoredImage | undefined {
  const {
    [annotationKeys.refName]: name,
    [annotationCreated]: created,
    [annotationUpdated]: updated,
    ...annotations
  } = entry.annotations ?? {};
  if (name === undefined) return undefined;
  const { annotations: _all, ...rest } = entry;
  const target = Object.keys(annotations).length > 0 ? { ...rest, annotations } : rest;
  return { name, target, createdAt: new Date(created ?? 0), updatedAt: new Date(updated ?? created ?? 0) };
}
