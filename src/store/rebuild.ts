import { existsSync } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { isGantryError } from "../base/error.ts";
import type { IndexFile } from "../registry/layout/index-file.ts";
import { withLock } from "../sys/lock.ts";
import { namesFile } from "./directory.ts";
import { exportedGeneration, fromEntry } from "./export.ts";
import { type NamespacedImage, SqlImages } from "./sql/images.ts";
import { schemaVersion } from "./sql/version.ts";

/** What restoring the names needs of a store. */
interface Rebuildable {
  readonly directory: string;
  readonly index: IndexFile;
  /** Whether the names are, or shall be, in a database that other hosts use too. */
  readonly shared: boolean;
  /** What version.json says. Throws where it is of another kind of store, unless that is to be changed. */
  state(): Promise<{ readonly moving: boolean; readonly id: number | undefined }>;
  makeTables(): Promise<number>;
  open(): Promise<SqlImages>;
  writeVersion(id: number): Promise<void>;
}

interface Names {
  readonly names: readonly NamespacedImage[];
  /** The last change of which they know. */
  readonly generation: number;
}

export interface Rebuilt {
  readonly repaired: readonly string[];
  /** Nothing that is left tells what was called how. */
  readonly namesLost: boolean;
}

/**
 * Makes a database that is gone or cannot be read anew, and takes over the names of index.json that it lacks; or, where
 * the names shall be in PostgreSQL from now on, takes them there.
 */
export async function rebuildNames(store: Rebuildable): Promise<Rebuilt> {
  const file = namesFile(store.directory);
  const repaired: string[] = [];
  let namesLost = false;
  await withLock(join(store.directory, "version.json.lock"), async () => {
    const { moving, id: oldId } = await store.state();
    const sound = (moving || !store.shared) && (await isSound(file));
    // First of all: where this throws, all stays as it is.
    const known = moving && sound ? await namesOf(file) : await exportedNames(store, sound);
    if (!store.shared && !sound) {
      repaired.push(...(await putAside(file)));
      for (const suffix of ["-wal", "-shm"]) await rm(`${file}${suffix}`, { force: true });
      if (!known) {
        namesLost = true;
        repaired.push(...(await putAside(store.index.path)));
        repaired.push("the names are lost: neither the database nor index.json has them; the list of names is empty");
      }
    }
    const id = await store.makeTables();
    const images = await store.open();
    try {
      // A database that has all that index.json shows has lost nothing; what it lacks was removed.
      if (known && (moving || oldId !== id || known.generation > (await images.generation()))) {
        const added = await images.adopt(known.names, known.generation);
        const from = moving && sound ? file : "index.json";
        repaired.push(`${added} name${added === 1 ? "" : "s"} restored from ${from}`);
      }
    } finally {
      await images.close();
    }
    await store.writeVersion(id);
    if (moving && existsSync(file)) await rename(file, `${file}.moved-${Date.now()}`);
  });
  return { repaired, namesLost };
}

/** Moves a file that cannot be used out of the way, and keeps it: parts of it may still be readable. */
async function putAside(file: string): Promise<string[]> {
  if (!existsSync(file)) return [`${file} was gone`];
  const aside = `${file}.damaged-${Date.now()}`;
  await rename(file, aside);
  return [`${file} could not be used; what there was of it is ${aside}`];
}

/**
 * The names that index.json shows.
 * @returns undefined where it is gone or cannot be read, and the names are either safe in the database or lost
 */
async function exportedNames({ index, shared }: Rebuildable, sound: boolean): Promise<Names | undefined> {
  try {
    // Without `oci-layout` the file would not be taken for what it is.
    if (existsSync(index.path)) await index.create();
    const names = (await index.read()).manifests.flatMap((entry) => fromEntry(entry) ?? []);
    return { names, generation: await exportedGeneration(index.path) };
  } catch (error) {
    const gone = isGantryError(error, "NAME_UNKNOWN", "INVALID_DOCUMENT", "INVALID_DIGEST");
    if (gone && (sound || !shared)) return undefined;
    throw error;
  }
}

/** The names in the database of this directory. */
async function namesOf(file: string): Promise<Names> {
  const { openSqlite } = await import("./sql/sqlite.ts");
  const own = new SqlImages(await openSqlite(file));
  try {
    const { images: names, generation } = await own.snapshot();
    return { names, generation };
  } finally {
    await own.close();
  }
}

/** Whether the database in this directory can be used, and has tables of ours. */
async function isSound(file: string): Promise<boolean> {
  if (!existsSync(file)) return false;
  const { openSqlite } = await import("./sql/sqlite.ts");
  try {
    const own = new SqlImages(await openSqlite(file));
    try {
      return (await own.check()).length === 0 && (await schemaVersion(own.database)) > 0;
    } finally {
      await own.close();
    }
  } catch (error) {
    if (isGantryError(error, "STORE_INVALID")) return false;
    throw error;
  }
}
