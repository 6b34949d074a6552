import { existsSync } from "node:fs";
import { join } from "node:path";
import { GantryError, isGantryError } from "../base/error.ts";
import type { IndexFile } from "../registry/layout/index-file.ts";
import { removeAbandoned } from "../sys/abandoned.ts";
import { removeDeadLock } from "../sys/lock.ts";
import type { Advice } from "./advice.ts";
import { inventory } from "./directory.ts";
import { exportedGeneration, exportedIndex } from "./index-entries.ts";
import type { Names } from "./names.ts";
import type { NamespacedImage } from "./sql/image-rows.ts";
import type { VersionFile } from "./version-file.ts";

interface NamesExportOptions {
  readonly directory: string;
  readonly advice: Advice;
  readonly index: IndexFile;
  readonly version: VersionFile;
  readonly names: Names;
}

/** Writes the names of a store into its index.json, where other tools look for them. */
export class NamesExport {
  readonly #options: NamesExportOptions;

  constructor(options: NamesExportOptions) {
    this.#options = options;
  }

  /** Call this after a change of the names. It returns when the file shows the change. @param change its generation */
  async after(change: number): Promise<void> {
    const { advice, version } = this.#options;
    // Shared names can be changed from a host that has no store, and so no file to write.
    if (!(await version.exists())) return;
    try {
      await this.#write(change);
    } catch (error) {
      if (!isGantryError(error)) throw error;
      const fsck = advice.command(["images", "fsck"]);
      const message = `the names were changed, but index.json could not be written: ${error.message}; to write it run \`${fsck}\``;
      throw new GantryError(error.code, message, { cause: error });
    }
  }

  /** Brings the file up to date. @returns false where it already was */
  async update(): Promise<boolean> {
    const { index, names } = this.#options;
    const generation = await (await names.get()).generation();
    if (existsSync(index.path)) await index.create();
    if ((await this.generation()) >= generation) return false;
    await this.#write(generation);
    await index.create();
    return true;
  }

  /** The last change that the file shows; -1 where it shows none. */
  generation(): Promise<number> {
    return exportedGeneration(this.#options.index.path);
  }

  /**
   * Writes the file, unless another process has written this change or a later one. A lock in the database keeps
   * exporters apart: unlike a lock file, it ends with the process that holds it.
   */
  async #write(change: number): Promise<void> {
    const { directory, index, names } = this.#options;
    const images = await names.get();
    const shown = await this.#shown();
    if ((await this.generation()) < change) {
      await images.exclusively(`export ${index.path}`, async (snapshot) => {
        if ((await this.generation()) >= change) return;
        const { generation, images: all } = await snapshot();
        await index.replace(exportedIndex({ generation, images: all.filter(shown) }));
      });
    }
    await removeLeftovers(directory);
  }

  /** Of names that hosts share, the file shows those whose images are on this host. */
  async #shown(): Promise<(image: NamespacedImage) => boolean> {
    if (!this.#options.names.shared) return () => true;
    const existing = await inventory(this.#options.directory);
    return ({ target }) => existing.has(target.digest);
  }
}

/** Removes the temporary files of killed processes, and their locks. */
async function removeLeftovers(directory: string): Promise<void> {
  await removeAbandoned(directory, ["version.json", "index.json", "oci-layout"]);
  await removeAbandoned(join(directory, "cache"));
  // gc.lock stays, because the next collection takes it over. These two locks may never be taken again.
  for (const name of ["version.json.lock", "index.json.lock"])
    await removeDeadLock(join(directory, name)).catch(() => {});
}
