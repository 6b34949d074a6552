import { invalidConfig, type Table } from "./file.ts";

/** Reads the fields of a table. @throws CONFIG_INVALID, naming the file and the field, for a field of another type */
export class Fields {
  readonly #table: Table;
  readonly #path: string;
  readonly #where: string;

  /** @param where what comes before the name of a field in messages: `registry.mirror.` */
  constructor(table: Table, path: string, where = "") {
    this.#table = table;
    this.#path = path;
    this.#where = where;
  }

  #wrong(name: string, expected: string): never {
    throw invalidConfig(this.#path, `${this.#where}${name} must be ${expected}`);
  }

  text(name: string): string | undefined {
    const value = this.#table[name];
    return value === undefined || typeof value === "string" ? value : this.#wrong(name, "a string");
  }

  /** False where it is absent. */
  flag(name: string): boolean {
    const value = this.#table[name] ?? false;
    return typeof value === "boolean" ? value : this.#wrong(name, "true or false");
  }

  /** A list of strings, or one string alone; empty where it is absent. */
  texts(name: string): readonly string[] {
    const value = this.#table[name] ?? [];
    if (typeof value === "string") return [value];
    return Array.isArray(value) && value.every((item) => typeof item === "string")
      ? value
      : this.#wrong(name, "a string, or a list of strings");
  }

  /** Empty where it is absent. */
  table(name: string): Table {
    const value = this.#table[name] ?? {};
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Table)
      : this.#wrong(name, "a table");
  }

  /** Empty where it is absent. */
  tables(name: string): readonly Table[] {
    const value = this.#table[name] ?? [];
    return Array.isArray(value) && value.every((item) => typeof item === "object" && item !== null)
      ? (value as Table[])
      : this.#wrong(name, "a list of tables");
  }

  /** A field of any type. */
  any(name: string): unknown {
    return this.#table[name];
  }
}
