import { randomUUID } from "node:crypto";
import { constants } from "node:fs";
import { access, open, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { errnoOf, GantryError } from "../base/error.ts";
import { type Digest, isDigest } from "../spec/digest.ts";
import { fileSystemError } from "../sys/fs-error.ts";
import { makeDirectories } from "../sys/make-directories.ts";
import { readSmallFile } from "../sys/regular-file.ts";
import { namesIn } from "./directory.ts";

/** How long a lease protects its blobs after it was last renewed. Milliseconds. */
export const LEASE_MS: number = 60 * 60 * 1000;

/** The largest lease that is read: it has some 700,000 blobs. Bytes. */
const MAX_LEASE = 64 << 20;

/**
 * Keeps blobs that have no name yet from being collected, for example during a pull. It is a file of JSON lines, only
 * ever appended to: first `{"id","reason","created","expires"}`, then `{"digest"}` for each blob, and `{"expires"}` to
 * renew the lease while its holder runs.
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
      await makeDirectories(directory, 0o700);
      const first = { id, reason, created: new Date().toISOString(), expires: expiry() };
      await writeFile(path, `${JSON.stringify(first)}\n`, { flag: "wx", mode: 0o600 });
      return new Lease(id, path);
    } catch (error) {
      throw await fileSystemError(error, "writing", path);
    }
  }

  async #add(line: object): Promise<void> {
    // Without O_CREAT: a missing file means that this process slept so long that the lease expired and was removed.
    const file = await open(this.#path, constants.O_APPEND | constants.O_WRONLY);
    await file.appendFile(`${JSON.stringify(line)}\n`).finally(() => file.close());
  }

  /**
   * Protects a blob, which may be missing. Call this before looking for the blob: a blob that is found afterwards is
   * not collected.
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

  /** Call this when all protected blobs have names. @throws LOCK_LOST where some may have been collected meanwhile */
  async check(): Promise<void> {
    await access(this.#path).catch(() => {
      throw this.#lost();
    });
  }

  #lost(): GantryError<"LOCK_LOST"> {
    return new GantryError(
      "LOCK_LOST",
      `the lease ${this.#path} expired while this process slept, so the blobs that it protected may have been collected; run the command again`,
    );
  }

  /** Stops renewing the lease, which stays until it expires. */
  retire(): void {
    clearInterval(this.#renewal);
  }

  /** Ends the protection: all blobs have names, or the caller gave up. */
  async release(): Promise<void> {
    this.retire();
    await rm(this.#path, { force: true });
  }
}

const expiry = (): string => new Date(Date.now() + LEASE_MS).toISOString();

/** The blobs that the leases of a store protect now, and the files of expired leases. */
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
      // It was released since the directory was listed.
      if (errnoOf(error) === "ENOENT") continue;
      throw await fileSystemError(error, "reading", path);
    }
    const lease = parseLease(text);
    // A lease without an expiry is being written.
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
      // A holder that was killed while writing leaves an incomplete line.
      continue;
    }
    if (typeof entry.expires === "string") expires = Date.parse(entry.expires);
    if (typeof entry.digest === "string" && isDigest(entry.digest)) digests.push(entry.digest);
  }
  return { expires, digests };
}
