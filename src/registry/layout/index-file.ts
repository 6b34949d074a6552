import { existsSync } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { errnoOf, GantryError } from "../../base/error.ts";
import { defaultLimits, type Limits } from "../../base/limits.ts";
import { decodeImageLayout, decodeLayoutIndex } from "../../spec/decode.ts";
import { mediaTypes } from "../../spec/media-types.ts";
import type { Descriptor, Index } from "../../spec/types.ts";
import { removeAbandoned } from "../../sys/abandoned.ts";
import { fileSystemError } from "../../sys/fs-error.ts";
import { insteadOfDirectory, requireDirectory, requireFile } from "../../sys/in-place.ts";
import { type Lock, withLock } from "../../sys/lock.ts";
import { makeDirectories } from "../../sys/make-directories.ts";
import { readSmallFile } from "../../sys/regular-file.ts";
import { replaceFile } from "../../sys/replace-file.ts";

const LAYOUT_HEADER = '{"imageLayoutVersion":"1.0.0"}';

export interface IndexFileOptions {
  readonly limits?: Limits | undefined;
  /** Readable by other users, as far as the umask allows. Default: only by the owner. */
  readonly shared?: boolean | undefined;
}

/**
 * The `oci-layout` and `index.json` of a layout or store (image-spec image-layout.md). Changes are made under a lock
 * between processes, and the file is replaced by rename: a reader sees the list either before or after a change.
 * Fields that other tools have added are kept.
 */
export class IndexFile {
  readonly root: string;
  readonly #limits: Limits;
  readonly #options: IndexFileOptions;
  #cache: { readonly stamp: string; readonly index: Index } | undefined;

  constructor(root: string, options: IndexFileOptions = {}) {
    this.root = root;
    this.#limits = options.limits ?? defaultLimits;
    this.#options = options;
  }

  get path(): string {
    return join(this.root, "index.json");
  }

  /**
   * Creates an empty layout where nothing exists, or in an empty directory.
   * @throws TARGET_NOT_EMPTY for any other directory, NAME_UNKNOWN for a file
   */
  async create(): Promise<void> {
    this.#requireRoot();
    const [file, directory] = this.#options.shared ? [0o666, 0o777] : [0o600, 0o700];
    try {
      await makeDirectories(this.root, directory);
      for (const name of ["blobs", "blobs/sha256", "tmp"]) requireDirectory(join(this.root, name));
      for (const name of ["oci-layout", "index.json"]) requireFile(join(this.root, name));
      if (await this.#exists("oci-layout")) return;
      const names = await readdir(this.root);
      const foreign = names.filter(
        (name) =>
          !/^(?:tmp|blobs|leases|layers|cache|lost\+found|(?:version\.json|oci-layout|index\.json).*)$/.test(name),
      );
      if (foreign.length > 0 && !names.includes("index.json")) {
        throw new GantryError(
          "TARGET_NOT_EMPTY",
          `${this.root} is neither empty nor an image layout (it holds ${foreign.slice(0, 3).join(", ")}); name a new directory`,
        );
      }
      await makeDirectories(join(this.root, "blobs", "sha256"), directory);
      await withLock(`${this.path}.lock`, async () => {
        if (!(await this.#exists("index.json"))) {
          await this.replace({ schemaVersion: 2, mediaType: mediaTypes.index, manifests: [] });
        }
        if (await this.#exists("oci-layout")) return;
        // Last, since this file makes the directory a layout.
        await replaceFile(join(this.root, "oci-layout"), LAYOUT_HEADER, { mode: file });
      });
    } catch (error) {
      throw await fileSystemError(error, "creating the layout", this.root);
    }
  }

  #requireRoot(): void {
    const found = insteadOfDirectory(this.root);
    if (found === undefined) return;
    throw new GantryError(
      "NAME_UNKNOWN",
      `${this.root} ${found}, not a directory with an image layout; archives are not supported yet: extract an archive, and name its directory`,
      { details: { path: this.root } },
    );
  }

  async #exists(name: string): Promise<boolean> {
    return stat(join(this.root, name)).then(
      () => true,
      () => false,
    );
  }

  /** @throws NAME_UNKNOWN where there is no layout, INVALID_DOCUMENT, NOT_REGULAR_FILE */
  async read(): Promise<Index> {
    this.#requireRoot();
    requireFile(this.path);
    const found = await stat(this.path, { bigint: true }).catch((error: unknown) => {
      if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR") return undefined;
      throw error;
    });
    if (!found) {
      const why = existsSync(this.root)
        ? `${this.root} is not an image layout: it has no index.json`
        : `there is no directory ${this.root}; check the path of the image layout`;
      throw new GantryError("NAME_UNKNOWN", why, { details: { path: this.root } });
    }
    const stamp = `${found.ino} ${found.mtimeNs} ${found.size}`;
    if (this.#cache?.stamp === stamp) return this.#cache.index;
    decodeImageLayout(await this.#readFile("oci-layout"), join(this.root, "oci-layout"));
    const index = decodeLayoutIndex(await this.#readFile("index.json"), this.path, this.#limits);
    this.#cache = { stamp, index };
    return index;
  }

  async #readFile(name: string): Promise<Buffer> {
    const bytes = await readSmallFile(join(this.root, name), { limit: this.#limits.layoutIndexBytes });
    if (!bytes) throw new GantryError("NAME_UNKNOWN", `${this.root} is not an image layout: it has no ${name}`);
    return bytes;
  }

  /** Replaces the entries by those that `change` returns; nothing is written where it returns the same list. */
  async update(
    change: (entries: readonly Descriptor[]) => readonly Descriptor[] | Promise<readonly Descriptor[]>,
    options: { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<void> {
    await withLock(
      `${this.path}.lock`,
      async (lock) => {
        const index = await this.read();
        const manifests = await change(index.manifests);
        if (manifests === index.manifests) return;
        await lock.check();
        await this.replace({ ...index, manifests });
      },
      options,
    );
  }

  /** The bytes of index.json. @throws NAME_UNKNOWN, NOT_REGULAR_FILE, LIMIT_EXCEEDED */
  bytes(): Promise<Buffer> {
    return this.#readFile("index.json");
  }

  /** Runs work under the lock, while no other process changes the file. */
  async exclusively(work: (lock: Lock) => Promise<void>): Promise<void> {
    await withLock(`${this.path}.lock`, work);
  }

  /** Replaces the whole file. The caller holds the lock. */
  async replace(index: object): Promise<void> {
    requireFile(this.path);
    try {
      const mode = this.#options.shared ? 0o666 : 0o600;
      await replaceFile(this.path, JSON.stringify(index), { mode, sync: true });
    } catch (error) {
      throw await fileSystemError(error, "writing", this.path);
    }
    await removeAbandoned(this.root, ["oci-layout", "index.json"]);
  }
}
