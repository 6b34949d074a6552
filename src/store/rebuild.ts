import { existsSync } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { isGantryError } from "../base/error.ts";
import { namesFile } from "./directory.ts";
import { exportedGeneration, exportedNames } from "./index-entries.ts";
import type { StoreParts } from "./parts.ts";
import type { NamespacedImage } from "./sql/image-rows.ts";
import { SqlImages } from "./sql/images.ts";
import { schemaVersion } from "./sql/version.ts";

interface KnownNames {
  readonly names: readonly NamespacedImage[];
  /** The last change that the names include. */
  readonly generation: number;
}

interface Rebuilt {
  readonly repaired: readonly string[];
  /** Neither the database nor index.json has the names. */
  readonly namesLost: boolean;
}

/**
 * Replaces a missing or unreadable database, and adds the names that only index.json has. Where the store was opened
 * with PostgreSQL and its names are in SQLite, moves them to PostgreSQL.
 */
export function rebuildNames({ directory, index, version, names }: StoreParts): Promise<Rebuilt> {
  const file = namesFile(directory);
  return version.exclusively(async () => {
    const repaired: string[] = [];
    const found = await version.read();
    const moving = names.shared && found?.database === "sqlite";
    if (!moving) names.requireKind(found?.database);
    const sound = (moving || !names.shared) && (await isSound(file));
    // Read before any change, so that an error leaves the store unchanged.
    const known = moving && sound ? await namesOfDatabase(file) : await namesOfIndex(index, sound || !names.shared);
    const namesLost = !names.shared && !sound && !known;
    if (!names.shared && !sound) {
      repaired.push(await putAside(file));
      for (const suffix of ["-wal", "-shm"]) await rm(`${file}${suffix}`, { force: true });
    }
    if (namesLost) {
      repaired.push(await putAside(index.path));
      repaired.push("the names are lost: neither the database nor index.json has them; the list of names is empty");
    }
    const id = await names.makeTables(false);
    const images = await names.open();
    try {
      // A database that is as new as index.json has lost nothing: the names that it lacks were deleted.
      if (known && (moving || found?.id !== id || known.generation > (await images.generation()))) {
        const added = await images.adopt(known.names, known.generation);
        const from = moving && sound ? file : "index.json";
        repaired.push(`${added} name${added === 1 ? "" : "s"} restored from ${from}`);
      }
    } finally {
      await images.close();
    }
    await version.write(names.kind, id);
    if (moving && existsSync(file)) await rename(file, `${file}.moved-${Date.now()}`);
    return { repaired, namesLost };
  });
}

/** Renames an unusable file instead of removing it: parts of it may be readable. @returns what was done */
async function putAside(file: string): Promise<string> {
  if (!existsSync(file)) return `${file} was missing`;
  const aside = `${file}.damaged-${Date.now()}`;
  await rename(file, aside);
  return `${file} could not be used; it was renamed to ${aside}`;
}

/** The names that index.json shows. @param mayFail return undefined where it is missing or cannot be decoded */
async function namesOfIndex(index: StoreParts["index"], mayFail: boolean): Promise<KnownNames | undefined> {
  try {
    // index.json can be read only beside the file `oci-layout`, which this call writes.
    if (existsSync(index.path)) await index.create();
    return { names: await exportedNames(index), generation: await exportedGeneration(index.path) };
  } catch (error) {
    if (mayFail && isGantryError(error, "NAME_UNKNOWN", "INVALID_DOCUMENT", "INVALID_DIGEST")) return undefined;
    throw error;
  }
}

/** The names in the database of this directory. */
async function namesOfDatabase(file: string): Promise<KnownNames> {
  const { openSqlite } = await import("./sql/sqlite.ts");
  const own = new SqlImages(await openSqlite(file));
  try {
    const { images: names, generation } = await own.snapshot();
    return { names, generation };
  } finally {
    await own.close();
  }
}

/** Whether the database in this directory can be used, and has tables of gantry. */
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
