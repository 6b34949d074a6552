import { existsSync } from "node:fs";
import { join } from "node:path";
import { GantryError } from "../base/error.ts";
import { parseJsonObject } from "../spec/json.ts";
import { withLock } from "../sys/lock.ts";
import { readSmallFile } from "../sys/regular-file.ts";
import { replaceFile } from "../sys/replace-file.ts";
import { requireOwnParts } from "./directory.ts";

/** The version of the directory that this code writes. Older versions are migrated to it, newer ones are refused. */
export const STORE_VERSION = 2;
const MAX_VERSION_BYTES = 64 << 10;

/** Where the names of a store are: in its directory, or in a database that several hosts use. */
export type DatabaseKind = "sqlite" | "postgres";

interface StoreVersion {
  readonly version: 1 | typeof STORE_VERSION;
  readonly database: DatabaseKind;
  /** The id of the database; 0 in version 1. */
  readonly id: number;
}

/** The file `version.json`, which makes a directory a store. */
export class VersionFile {
  readonly #directory: string;
  readonly #path: string;

  constructor(directory: string) {
    this.#directory = directory;
    this.#path = join(directory, "version.json");
  }

  /**
   * Everything that uses a store reads this first, so this is where the parts of the directory are checked.
   * @returns undefined where there is no store
   * @throws STORE_VERSION for a newer version, STORE_INVALID, NOT_REGULAR_FILE
   */
  async read(): Promise<StoreVersion | undefined> {
    requireOwnParts(this.#directory);
    const bytes = await readSmallFile(this.#path, { limit: MAX_VERSION_BYTES });
    if (!bytes) return undefined;
    let parsed: Record<string, unknown>;
    try {
      parsed = parseJsonObject(bytes, this.#path);
    } catch (error) {
      const message = `${this.#path} is not valid; check that ${this.#directory} is a store`;
      throw new GantryError("STORE_INVALID", message, { cause: error });
    }
    const { version, database = "sqlite", id = 0 } = parsed;
    if ((version === 1 || version === STORE_VERSION) && (database === "sqlite" || database === "postgres")) {
      return { version, database, id: Number(id) };
    }
    throw new GantryError(
      "STORE_VERSION",
      `the store ${this.#directory} has version ${String(version)}, but this gantry knows only versions up to ${STORE_VERSION}; it was not changed: use a newer gantry, or another --store`,
    );
  }

  /** As {@link read}. @throws STORE_NOT_FOUND where there is no store */
  async require(): Promise<StoreVersion> {
    const found = await this.read();
    if (found) return found;
    const directory = this.#directory;
    throw new GantryError(
      "STORE_NOT_FOUND",
      existsSync(join(directory, "index.json"))
        ? `${directory} is an image layout, not a store (it has no version.json); read it as oci:${directory}, or name the store with --store`
        : `there is no store at ${directory}; name another one with --store, or pull an image to create it`,
    );
  }

  async exists(): Promise<boolean> {
    return (await this.read()) !== undefined;
  }

  /** @param id of the database that has the names */
  write(database: DatabaseKind, id: number): Promise<void> {
    return replaceFile(this.#path, JSON.stringify({ version: STORE_VERSION, database, id }));
  }

  /** Runs work, while no other process creates, migrates or rebuilds this store. */
  exclusively<T>(work: () => Promise<T>): Promise<T> {
    return withLock(`${this.#path}.lock`, work);
  }
}
