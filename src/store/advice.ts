import { resolve } from "node:path";
import { isGantryError } from "../base/error.ts";
import { parseRef } from "../reference/reference.ts";
import { DEFAULT_NAMESPACE, defaultStoreDirectory } from "./directory.ts";

/**
 * Writes out the commands that errors and findings advise, so that they work as printed: with the flags that name this
 * store, and quoted for a shell.
 */
export class Advice {
  readonly #directory: string;
  readonly #database: string | undefined;
  readonly #namespace: string;

  constructor(store: {
    readonly directory: string;
    readonly database: string | undefined;
    readonly namespace: string;
  }) {
    this.#directory = store.directory;
    this.#database = store.database;
    this.#namespace = store.namespace;
  }

  /** A command on this store and one of its namespaces. */
  command(words: readonly string[], namespace: string = this.#namespace): string {
    const { env } = process;
    const flags: string[] = [];
    if (this.#directory !== resolve(defaultStoreDirectory())) flags.push("--store", this.#directory);
    if (this.#database !== undefined && this.#database !== env["GANTRY_STORE_DB"]) {
      flags.push("--store-db", withoutPassword(this.#database));
    }
    if (namespace !== (env["GANTRY_NAMESPACE"] || DEFAULT_NAMESPACE)) flags.push("--namespace", namespace);
    return ["gantry", ...words, ...flags].map(shellWord).join(" ");
  }

  /** The command that pulls an image again; undefined where its name does not say from which registry. */
  pull(
    name: string,
    options: { readonly platform?: string | undefined; readonly namespace?: string | undefined } = {},
  ): string | undefined {
    if (!isFullReference(name)) return undefined;
    const platform = options.platform === undefined ? [] : ["--platform", options.platform];
    return this.command(["pull", ...platform, name], options.namespace);
  }
}

/** Whether a pull could have set the name, which is then a full reference: `backup` is not. */
function isFullReference(name: string): boolean {
  try {
    const reference = parseRef(name);
    const named = reference.tag !== undefined || reference.digest !== undefined;
    return named && reference.toFullString() === name;
  } catch (error) {
    if (isGantryError(error)) return false;
    throw error;
  }
}

/** A word, quoted where a shell would change it. */
function shellWord(word: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/** The address of a database without its password, which the user can put into PGPASSWORD or ~/.pgpass. */
function withoutPassword(address: string): string {
  return address.replace(/^(\w+:\/\/[^/@:]*):[^@/]*@/, "$1@").replace(/([?&](?:ssl)?password=)[^&]*/g, "$1...");
}
