import { GantryError } from "../../base/error.ts";
import { matcher } from "../filter-match.ts";
import { parseFilter } from "../filters.ts";
import type { StoredImage } from "../images.ts";
import { query, type SqlDatabase, type SqlRow, transaction, withSession } from "./database.ts";
import { filterCondition } from "./filter-condition.ts";
import { IMAGE_COLUMNS, imageValues, type NamespacedImage, ROW_COLUMNS, ROW_PLACES, toImage } from "./image-rows.ts";
import { nextGeneration, numberOf } from "./meta.ts";

/** All names at one moment. */
export interface Snapshot {
  /** The number of changes that it includes. */
  readonly generation: number;
  readonly images: readonly NamespacedImage[];
}

/** Rows of one INSERT: SQLite limits the number of placeholders. */
const INSERT_ROWS = 100;

const SELECT = `SELECT ${IMAGE_COLUMNS} FROM gantry_images WHERE namespace = ?`;
const INSERT = `INSERT INTO gantry_images (${ROW_COLUMNS}) VALUES`;

/** The names of a store, of all namespaces, in an SQL database. */
export class SqlImages {
  readonly database: SqlDatabase;

  constructor(database: SqlDatabase) {
    this.database = database;
  }

  async get(namespace: string, name: string): Promise<StoredImage | undefined> {
    const [row] = await query(this.database, `${SELECT} AND name = ?`, namespace, name);
    return row && toImage(row);
  }

  async list(namespace: string, filters: readonly string[]): Promise<readonly StoredImage[]> {
    const parsed = filters.map(parseFilter);
    // Every image passes an empty filter, whatever the other filters say.
    if (parsed.length === 0 || parsed.some(({ selectors }) => selectors.length === 0)) {
      return (await query(this.database, `${SELECT} ORDER BY name`, namespace)).map(toImage);
    }
    const matches = await matcher(parsed);
    const { sql, values } = filterCondition(parsed);
    const rows = await query(this.database, `${SELECT} AND ${sql} ORDER BY name`, namespace, ...values);
    return rows.map(toImage).filter(matches);
  }

  /**
   * Changes one name in a transaction.
   * @param change is given the old image, and returns the new target and labels; undefined deletes the name
   * @returns the image after the change, and the generation of this change
   */
  change(
    namespace: string,
    name: string,
    change: (old: StoredImage | undefined) => Pick<StoredImage, "target" | "labels"> | undefined,
  ): Promise<{ readonly image: StoredImage | undefined; readonly generation: number }> {
    return transaction(this.database, async (run) => {
      // First, because writers of this row wait for each other: rows that are read after it do not change.
      const generation = await nextGeneration(run);
      const [row] = await run(`${SELECT} AND name = ?`, namespace, name);
      const old = row && toImage(row);
      const wanted = change(old);
      await run(`DELETE FROM gantry_images WHERE namespace = ? AND name = ?`, namespace, name);
      if (!wanted) return { image: undefined, generation };
      const now = new Date();
      const image: StoredImage = { name, ...wanted, createdAt: old?.createdAt ?? now, updatedAt: now };
      await run(`${INSERT} ${ROW_PLACES}`, ...imageValues({ namespace, ...image }));
      return { image, generation };
    });
  }

  /**
   * Adds the names that are missing, with their times: all of them, or none.
   * @param generation a count of changes that the store has seen; the new count is larger
   * @returns how many names were added
   * @throws STORE_DATABASE where a name exists already and has another target
   */
  adopt(images: readonly NamespacedImage[], generation = 0): Promise<number> {
    return transaction(this.database, async (run) => {
      await run(
        `UPDATE gantry_meta SET value = CASE WHEN value < ? THEN ? ELSE value END + 1 WHERE key = 'generation'`,
        generation,
        generation,
      );
      const rows = await run(`SELECT namespace, name, digest FROM gantry_images`);
      const existing = new Map(rows.map(({ namespace, name, digest }) => [`${namespace} ${name}`, digest]));
      const clashes = images.filter(
        ({ namespace, name, target }) => (existing.get(`${namespace} ${name}`) ?? target.digest) !== target.digest,
      );
      if (clashes.length > 0) throw this.#clash(clashes);
      let added = 0;
      for (let at = 0; at < images.length; at += INSERT_ROWS) {
        const batch = images.slice(at, at + INSERT_ROWS);
        const places = batch.map(() => ROW_PLACES).join(", ");
        const sql = `${INSERT} ${places} ON CONFLICT DO NOTHING RETURNING name`;
        added += (await run(sql, ...batch.flatMap(imageValues))).length;
      }
      return added;
    });
  }

  #clash(clashes: readonly NamespacedImage[]): GantryError {
    const names = clashes.slice(0, 5).map(({ name }) => name);
    return new GantryError(
      "STORE_DATABASE",
      `${this.database.name} already has ${clashes.length} of the names to be added, with other targets: ${names.join(", ")}. Nothing was changed; remove these names on one side, then try again`,
    );
  }

  /** All names of all namespaces, read by one statement and so at one moment. */
  async snapshot(): Promise<Snapshot> {
    return toSnapshot(await query(this.database, SNAPSHOT));
  }

  /** Runs work, while no other process runs work of this name on the database. In SQLite no name changes meanwhile. */
  exclusively(name: string, work: (snapshot: () => Promise<Snapshot>) => Promise<void>): Promise<void> {
    return transaction(this.database, (run) => work(async () => toSnapshot(await run(SNAPSHOT))), name);
  }

  /** How many changes there were. */
  generation(): Promise<number> {
    return withSession(this.database, (run) => numberOf(run, "generation"));
  }

  /** The random number that identifies this database. */
  id(): Promise<number> {
    return withSession(this.database, (run) => numberOf(run, "id"));
  }

  /** The faults that SQLite finds in its file. */
  async check(): Promise<readonly string[]> {
    if (this.database.dialect !== "sqlite") return [];
    const rows = await query(this.database, `PRAGMA integrity_check`);
    return rows.map((row) => String(Object.values(row)[0])).filter((line) => line !== "ok");
  }

  close(): Promise<void> {
    return this.database.close();
  }
}

const SNAPSHOT = `
  SELECT m.value AS generation, i.namespace, i.name, i.target, i.labels, i.created_at, i.updated_at
  FROM gantry_meta m LEFT JOIN gantry_images i ON 1 = 1 WHERE m.key = 'generation' ORDER BY i.namespace, i.name`;

function toSnapshot(rows: readonly SqlRow[]): Snapshot {
  const images = rows.flatMap((row) =>
    typeof row["name"] === "string" ? [{ namespace: String(row["namespace"]), ...toImage(row) }] : [],
  );
  return { generation: Number(rows[0]?.["generation"] ?? 0), images };
}
