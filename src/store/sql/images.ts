import type { Expression, ExpressionBuilder, SqlBool } from "kysely";
import { GantryError } from "../../base/error.ts";
import type { Descriptor } from "../../spec/types.ts";
import type { Advice } from "../advice.ts";
import { type Filter, matcher, parseFilter, type Selector } from "../filters.ts";
import {
  applyUpdate,
  checkImage,
  type FieldPath,
  type ImageRecord,
  type ImageStore,
  isName,
  type StoredImage,
} from "../images.ts";
import { query, type SqlDatabase, type SqlRow } from "./database.ts";
import type { Tables } from "./kysely.ts";

/** An image and the namespace that it is in. */
export interface NamespacedImage extends StoredImage {
  readonly namespace: string;
}

/** Every name at one moment. */
export interface Snapshot {
  /** Counts the changes there ever were. */
  readonly generation: number;
  readonly images: readonly NamespacedImage[];
}

const COLUMNS = "name, target, labels, created_at, updated_at";

/**
 * The names of a store in an SQL database. What every command asks for (one name, all names) is plain SQL; the query
 * builder is loaded with the first change or filter.
 */
export class SqlImages {
  readonly database: SqlDatabase;
  readonly #builder: () => Promise<import("kysely").Kysely<Tables>>;

  constructor(database: SqlDatabase) {
    this.database = database;
    let builder: Promise<import("kysely").Kysely<Tables>> | undefined;
    this.#builder = () => {
      builder ??= import("./kysely.ts").then(({ queryBuilder }) => queryBuilder(database));
      return builder;
    };
  }

  #place(number: number): string {
    return this.database.dialect === "sqlite" ? "?" : `$${number}`;
  }

  async get(namespace: string, name: string): Promise<StoredImage | undefined> {
    const sql = `SELECT ${COLUMNS} FROM gantry_images WHERE namespace = ${this.#place(1)} AND name = ${this.#place(2)}`;
    const [row] = await query(this.database, sql, [namespace, name]);
    return row && toImage(row);
  }

  async list(namespace: string, filters: readonly string[]): Promise<readonly StoredImage[]> {
    const parsed = filters.map(parseFilter);
    // An empty filter lets everything pass, so the others have nothing to add.
    if (parsed.some(({ selectors }) => selectors.length === 0)) parsed.length = 0;
    if (parsed.length === 0) {
      const sql = `SELECT ${COLUMNS} FROM gantry_images WHERE namespace = ${this.#place(1)} ORDER BY name`;
      return (await query(this.database, sql, [namespace])).map(toImage);
    }
    const matches = await matcher(parsed);
    const db = await this.#builder();
    const rows = await db
      .selectFrom("gantry_images")
      .select(["name", "target", "labels", "created_at", "updated_at"])
      .where("namespace", "=", namespace)
      .where((where) => where.or(parsed.map((filter) => conditionOf(where, filter))))
      .orderBy("name")
      .execute();
    return rows.map(toImage).filter(matches);
  }

  /**
   * Changes one name in a transaction: `change` is given what it was and returns what it shall be, undefined for
   * nothing.
   * @returns what it is now, and the generation of this change
   */
  async change(
    namespace: string,
    name: string,
    change: (old: StoredImage | undefined) => Pick<StoredImage, "target" | "labels"> | undefined,
  ): Promise<{ readonly image: StoredImage | undefined; readonly generation: number }> {
    const db = await this.#builder();
    return db.transaction().execute(async (transaction) => {
      // The first statement makes writers wait for each other, so that what is read next stays true.
      const { value } = await transaction
        .updateTable("gantry_meta")
        .set((set) => ({ value: set("value", "+", 1) }))
        .where("key", "=", "generation")
        .returning("value")
        .executeTakeFirstOrThrow();
      const row = await transaction
        .selectFrom("gantry_images")
        .select(["name", "target", "labels", "created_at", "updated_at"])
        .where("namespace", "=", namespace)
        .where("name", "=", name)
        .executeTakeFirst();
      const old = row && toImage(row);
      const wanted = change(old);
      await transaction
        .deleteFrom("gantry_images")
        .where("namespace", "=", namespace)
        .where("name", "=", name)
        .execute();
      if (!wanted) return { image: undefined, generation: Number(value) };
      const now = new Date();
      const image: StoredImage = { name, ...wanted, createdAt: old?.createdAt ?? now, updatedAt: now };
      await transaction
        .insertInto("gantry_images")
        .values(toRow({ namespace, ...image }))
        .execute();
      return { image, generation: Number(value) };
    });
  }

  /**
   * Puts names in that are not there yet, with their times, all or none.
   * @param generation a number that the count of changes shall be past, for it has been there before
   * @returns how many were new
   * @throws STORE_DATABASE where a name is there already and means something else
   */
  async adopt(images: readonly NamespacedImage[], generation = 0): Promise<number> {
    const db = await this.#builder();
    return db.transaction().execute(async (transaction) => {
      const next = (value: number): Promise<unknown> =>
        transaction
          .updateTable("gantry_meta")
          .set((set) => ({
            value: set(set.case().when("value", "<", value).then(value).else(set.ref("value")).end(), "+", 1),
          }))
          .where("key", "=", "generation")
          .execute();
      await next(generation);
      const rows = await transaction.selectFrom("gantry_images").select(["namespace", "name", "digest"]).execute();
      const there = new Map(rows.map(({ namespace, name, digest }) => [`${namespace} ${name}`, digest]));
      const clashes = images.filter(
        ({ namespace, name, target }) => (there.get(`${namespace} ${name}`) ?? target.digest) !== target.digest,
      );
      if (clashes.length > 0) {
        throw new GantryError(
          "STORE_DATABASE",
          `${this.database.name} has ${clashes.length} of these names already, for other images: ${clashes
            .slice(0, 5)
            .map(({ name }) => name)
            .join(", ")}; remove them on one side first. Nothing was changed`,
        );
      }
      let added = 0;
      for (let at = 0; at < images.length; at += 100) {
        const rows = await transaction
          .insertInto("gantry_images")
          .values(images.slice(at, at + 100).map(toRow))
          .onConflict((conflict) => conflict.doNothing())
          .returning("name")
          .execute();
        added += rows.length;
      }
      return added;
    });
  }

  /** Every name of every namespace, in one statement and so of one moment. */
  async snapshot(): Promise<Snapshot> {
    return toSnapshot(await query(this.database, SNAPSHOT));
  }

  /** Runs work while nobody else runs work of the same name on this database, nor changes names if it is SQLite. */
  async exclusively(name: string, work: (snapshot: () => Promise<Snapshot>) => Promise<void>): Promise<void> {
    const session = await this.database.acquire();
    try {
      await session.begin();
      try {
        if (this.database.dialect === "postgres") {
          await session.query("SELECT pg_advisory_xact_lock(hashtext($1))", [name]);
        }
        await work(async () => toSnapshot(await session.query(SNAPSHOT, [])));
        await session.commit();
      } catch (error) {
        await session.rollback().catch(() => {});
        throw error;
      }
    } finally {
      session.release();
    }
  }

  /** How many changes there ever were. */
  async generation(): Promise<number> {
    const [row] = await query(this.database, "SELECT value FROM gantry_meta WHERE key = 'generation'");
    return Number(row?.["value"] ?? 0);
  }

  /** The number that tells this database from every other one. */
  async id(): Promise<number> {
    const [row] = await query(this.database, "SELECT value FROM gantry_meta WHERE key = 'id'");
    return Number(row?.["value"] ?? 0);
  }

  /** What the database finds wrong with itself. */
  async check(): Promise<readonly string[]> {
    if (this.database.dialect !== "sqlite") return [];
    const rows = await query(this.database, "PRAGMA integrity_check");
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

/** The names of one namespace. `changed` is called after each change, with its generation, before the caller hears. */
export class SqlImageStore implements ImageStore {
  readonly #images: () => Promise<SqlImages>;
  readonly #namespace: string;
  readonly #changed: (generation: number) => Promise<void>;
  readonly #where: string;
  readonly #advice: Advice;

  constructor(
    images: () => Promise<SqlImages>,
    options: {
      readonly namespace: string;
      readonly where: string;
      readonly advice: Advice;
      readonly changed?: ((generation: number) => Promise<void>) | undefined;
    },
  ) {
    this.#images = images;
    this.#namespace = options.namespace;
    this.#where = options.where;
    this.#advice = options.advice;
    this.#changed = options.changed ?? (async () => {});
  }

  async get(name: string): Promise<StoredImage> {
    const found = isName(name) ? await (await this.#images()).get(this.#namespace, name) : undefined;
    return found ?? this.#notFound(name);
  }

  async list(...filters: readonly string[]): Promise<readonly StoredImage[]> {
    return (await this.#images()).list(this.#namespace, filters);
  }

  create(image: ImageRecord): Promise<StoredImage> {
    return this.#change(image.name, (old) => {
      if (old) throw new GantryError("IMAGE_EXISTS", `${this.#where} already has an image ${image.name}`);
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
    const { image, generation } = await (await this.#images()).change(this.#namespace, name, change);
    await this.#changed(generation);
    return image as StoredImage;
  }

  #notFound(name: string): never {
    const pull = this.#advice.pull(name, { namespace: this.#namespace });
    const next = pull
      ? `get it with \`${pull}\``
      : `\`${this.#advice.command(["images", "ls"], this.#namespace)}\` lists what there is`;
    throw new GantryError("IMAGE_NOT_FOUND", `${this.#where} has no image ${name}; ${next}`, { details: { name } });
  }
}

function toImage(row: SqlRow): StoredImage {
  return {
    name: String(row["name"]),
    target: JSON.parse(String(row["target"])) as Descriptor,
    labels: JSON.parse(String(row["labels"])) as Record<string, string>,
    createdAt: new Date(String(row["created_at"])),
    updatedAt: new Date(String(row["updated_at"])),
  };
}

function toRow(image: NamespacedImage): Tables["gantry_images"] {
  const { namespace, name, target, labels, createdAt, updatedAt } = image;
  return {
    namespace,
    name,
    digest: target.digest,
    media_type: target.mediaType,
    target: JSON.stringify(target),
    labels: JSON.stringify(labels),
    created_at: createdAt.toISOString(),
    updated_at: updatedAt.toISOString(),
  };
}

type Where = ExpressionBuilder<Tables, "gantry_images">;

/** What the database can say of a filter with the same meaning; the rest is asked of each image that it returns. */
function conditionOf(where: Where, filter: Filter): Expression<SqlBool> {
  return where.and(filter.selectors.flatMap((selector) => selectorCondition(where, selector) ?? []));
}

const columns: Readonly<Record<string, "name" | "digest" | "media_type">> = {
  name: "name",
  "target.digest": "digest",
  "target.mediatype": "media_type",
};

function selectorCondition(where: Where, { field, operator, value }: Selector): Expression<SqlBool> | undefined {
  // A quoted part with a dot in it is no path of ours.
  const path = field.join(".");
  const column = Object.hasOwn(columns, path) && field.length === path.split(".").length ? columns[path] : undefined;
  if (!column || value.includes("\0")) return undefined;
  if (operator === "==") return where(column, "=", value);
  if (operator === "!=") return where(column, "!=", value);
  return undefined;
}
