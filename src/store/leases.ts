import { randomUUID } from "node:crypto";
import { constants } from "node:fs";
import { access, mkdir, open, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { errnoOf, GantryError } from "../base/error.ts";
import { type Digest, isDigest } from "../spec/digest.ts";
import { fileSystemError } from "../sys/fs-error.ts";
import { readSmallFile } from "../sys/regular-file.ts";
import { namesIn } from "./directory.ts";

/** How long a lease protects what it names, if its holder cannot say goodbye. Milliseconds. */
export const LEASE_MS: number = 60 * 60 * 1000;

/** Some 700,000 blobs. */
const MAX_LEASE = 64 << 20;

/**
 * Keeps blobs that have no name yet from being collected: a pull is under way. It is a file of JSON lines, which are
 * only ever added to: `{"id","reason","created","expires"}` first, then `{"digest"}` for each blob, and `{"expires"}`
 * while the holder lives.
 */
export class Lease {
  readonly id: string;
  readonly created: number;
  readonly #path: string;
  readonly #named = new Set<Digest>();
  readonly #renewal: NodeJS.Timeout;

  private constructor(id: string, path: string) {
    this.id = id;
    this.created = Date.now();
    this.#path = path;
    this.#renewal = setInterval(() => {
      this.#add({ expires: expiry() }).catch(() => {});
    }, LEASE_MS / 4).unref();
  }

  /** @param reason shown to people, never read by a program */
  static async create(root: string, reason: string): Promise<Lease> {
    const id = randomUUID();
    const directory = join(root, "leases");
    const path = join(directory, `${id}.jsonl`);
    try {
      await mkdir(directory, { recursive: true, mode: 0o700 });
      const first = { id, reason, created: new Date().toISOString(), expires: expiry() };
      await writeFile(path, `${JSON.stringify(first)}\n`, { flag: "wx", mode: 0o600 });
      return new Lease(id, path);
    } catch (error) {
      throw await fileSystemError(error, "writing", path);
    }
  }

  async #add(line: object): Promise<void> {
    // Not made anew where it is gone: then this process slept so long that it expired and was collected.
    const file = await open(this.#path, constants.O_APPEND | constants.O_WRONLY);
    await file.appendFile(`${JSON.stringify(line)}\n`).finally(() => file.close());
  }

  /**
   * Protects a blob, whether it is there or not. To be called before one looks whether it is: what is found after
   * this has come back stays.
   */
  async protect(digest: Digest): Promise<void> {
    if (this.#named.has(digest)) return;
    try {
      await this.#add({ digest });
    } catch (error) {
      throw errnoOf(error) === "ENOENT" ? this.#lost() : await fileSystemError(error, "writing", this.#path);
    }
    this.#named.add(digest);
  }

  /** To be called when all that was protected has a name. @throws LOCK_LOST where it may have been collected before */
  async check(): Promise<void> {
    await access(this.#path).catch(() => {
      throw this.#lost();
    });
  }

  #lost(): GantryError<"LOCK_LOST"> {
    return new GantryError(
      "LOCK_LOST",
      `the lease ${this.#path} expired while this process slept, and what it protected may be gone; run the command again`,
    );
  }

  /** Protects nothing new from now on, but stays until it expires. */
  retire(): void {
    clearInterval(this.#renewal);
  }

  /** Ends the protection: everything has a name now, or nobody wants it any more. */
  async release(): Promise<void> {
    this.retire();
    await rm(this.#path, { force: true });
  }
}

const expiry = (): string => new Date(Date.now() + LEASE_MS).toISOString();

/** What all leases of a store protect at this moment, and the files of those that have expired. */
export async function readLeases(root: string): Promise<{ protected: Set<Digest>; expired: readonly string[] }> {
  const directory = join(root, "leases");
  const digests = new Set<Digest>();
  const expired: string[] = [];
  for (const name of await namesIn(directory)) {
    const path = join(directory, name);
    let text: string;
    let modified: number;
    try {
      const bytes = await readSmallFile(path, { limit: MAX_LEASE });
      if (!bytes) continue;
      text = bytes.toString("utf8");
      modified = (await stat(path)).mtimeMs;
    } catch (error) {
      // It was released since we looked.
      if (errnoOf(error) === "ENOENT") continue;
      throw await fileSystemError(error, "reading", path);
    }
    const lease = parseLease(text);
    // One that does not say yet is being written.
    if ((lease.expires ?? modified + LEASE_MS) < Date.now()) expired.push(path);
    else for (const digest of lease.digests) digests.add(digest);
  }
  return { protected: digests, expired };
}

function parseLease(text: string): { expires: number | undefined; digests: Digest[] } {
  let expires: number | undefined;
  const digests: Digest[] = [];
  for (const line of text.split("\n")) {
    let entry: { digest?: unknown | undefined; expires?: unknown | undefined };
    try {
      entry = Object(JSON.parse(line)) as typeof entry;
    } catch {
      // The last line of a holder that died while writing it.
      continue;
    }
    if (typeof entry.expires === "string") expires = Date.parse(entry.expires);
    if (typeof entry.digest === "string" && isDigest(entry.digest)) digests.push(entry.digest);
  }
  return { expires, digests };
}

/**
 * The lease of somebody who writes, made with the first blob. Of a server that never ends it is replaced before it
 * grows without end: what is pushed then has at least an hour to get its name.
 */
export class LeaseKeeper {
  readonly #root: string;
  readonly #reason: string;
  readonly #endless: boolean;
  #current: Promise<Lease> | undefined;

  constructor(root: string, reason: string, options: { readonly endless?: boolean | undefined } = {}) {
    this.#root = root;
    this.#reason = reason;
    this.#endless = options.endless ?? false;
  }

  /** True once something is protected. */
  get active(): boolean {
    return this.#current !== undefined;
  }

  async protect(digest: Digest): Promise<void> {
    const current = this.#lease();
    const lease = await current;
    if (this.#endless && Date.now() - lease.created > LEASE_MS && this.#current === current) {
      this.#current = undefined;
      lease.retire();
    }
    await (await this.#lease()).protect(digest);
  }

  #lease(): Promise<Lease> {
    this.#current ??= Lease.create(this.#root, this.#reason);
    const current = this.#current;
    current.catch(() => {
      if (this.#current === current) this.#current = undefined;
    });
    return current;
  }

  /** @throws LOCK_LOST where what was protected may be gone */
  async check(): Promise<void> {
    await (await this.#current)?.check();
  }

  async release(): Promise<void> {
    const current = this.#current;
    this.#current = undefined;
    await (await current?.catch(() => undefined))?.release();
  }
}
