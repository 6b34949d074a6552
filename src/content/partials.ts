import { constants, copyFile, lstat, mkdir, readdir, rename, rm, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { algorithmOf, type Digest, Hasher, hexOf, isDigest } from "../spec/digest.ts";
import { STALE_MS } from "../sys/lock.ts";
import { openRegularFile } from "../sys/regular-file.ts";
import type { Checkpoint } from "./checkpoints.ts";
import { CHUNK_SIZE } from "./source.ts";

/** How the directories of processes below `tmp/` are called: others that lie there are none of ours. */
export const SESSION_PREFIX = "gantry-";
const FILE_NAME = /^sha(?:256|512)-[0-9a-f]+$/;
/** Less is sooner fetched again than looked for. */
const WORTH_KEEPING = 1 << 20;
const KEEP_MS = 24 * 60 * 60 * 1000;

/**
 * What has arrived of blobs whose transfer broke off, for the next one to go on from: in `tmp/partial/` for a day, or,
 * where a process was killed, in what it left below `tmp/`. Nothing here has been verified.
 */
export class Partials {
  readonly #tmp: string;
  readonly #directory: string;
  readonly #isWhole: (digest: Digest) => Promise<boolean>;

  /** @param isWhole whether a blob is there by now, so that nothing of it needs to be kept */
  constructor(tmp: string, isWhole: (digest: Digest) => Promise<boolean>) {
    this.#tmp = tmp;
    this.#isWhole = isWhole;
    this.#directory = join(tmp, "partial");
  }

  /** The name of a blob's file while it is under way. */
  name(digest: Digest): string {
    return `${algorithmOf(digest)}-${hexOf(digest)}`;
  }

  /**
   * Moves what there is of a blob to `path`, and hashes it: bytes of a file change between processes, a hash that we
   * computed from them does not.
   * @returns undefined where there is nothing of use; then there is no file at `path` either
   */
  async take(
    digest: Digest,
    path: string,
    size: number | undefined,
    signal?: AbortSignal,
  ): Promise<Checkpoint | undefined> {
    if (size === undefined || size <= WORTH_KEEPING) return undefined;
    if (!((await this.#takeKept(digest, path)) || (await this.#takeFromSession(digest, path)))) return undefined;
    const checkpoint = await hashOf(path, digest, size, signal).catch(() => undefined);
    if (signal?.aborted) {
      await this.keep(digest, path);
      throw signal.reason;
    }
    if (checkpoint && checkpoint.offset > 0) return checkpoint;
    await rm(path, { force: true });
    return undefined;
  }

  async #takeKept(digest: Digest, path: string): Promise<boolean> {
    const kept = join(this.#directory, this.name(digest));
    const found = (await isDirectory(this.#directory)) ? await ownFile(kept) : undefined;
    if (!found || Date.now() - found.mtimeMs > KEEP_MS) return false;
    // One process gets it, whoever else tries.
    return rename(kept, path).then(
      () => true,
      () => false,
    );
  }

  /** The file of another process may still grow: its bytes are copied. */
  async #takeFromSession(digest: Digest, path: string): Promise<boolean> {
    let best: { readonly path: string; readonly size: number } | undefined;
    for (const session of await this.#sessions()) {
      const candidate = join(this.#tmp, session, this.name(digest));
      const found = candidate === path ? undefined : await ownFile(candidate);
      if (found && found.size >= WORTH_KEEPING && found.size > (best?.size ?? 0)) {
        best = { path: candidate, size: found.size };
      }
    }
    if (!best) return false;
    return copyFile(best.path, path, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE).then(
      () => true,
      async () => {
        await rm(path, { force: true });
        return false;
      },
    );
  }

  /** Keeps a file whose transfer broke off, if it is worth it; else removes it. */
  async keep(digest: Digest, path: string): Promise<boolean> {
    const found = await ownFile(path);
    const older = await ownFile(join(this.#directory, this.name(digest)));
    if (found && found.size >= WORTH_KEEPING && found.size > (older?.size ?? 0)) {
      try {
        await mkdir(this.#directory, { mode: 0o700, recursive: true });
        if (!(await isDirectory(this.#directory))) throw new Error("a link");
        await rename(path, join(this.#directory, this.name(digest)));
        return true;
      } catch {
        // It was only for later.
      }
    }
    await rm(path, { force: true });
    return false;
  }

  /** Forgets what is kept of a blob that is whole by now. */
  async forget(digest: Digest): Promise<void> {
    if (!(await isDirectory(this.#directory))) return;
    await rm(join(this.#directory, this.name(digest)), { force: true }).catch(() => {});
    await rmdir(this.#directory).catch(() => {});
  }

  /** The directories of processes, ours among them. */
  async #sessions(): Promise<readonly string[]> {
    const entries = await readdir(this.#tmp, { withFileTypes: true }).catch(() => []);
    return entries
      .filter((entry) => entry.isDirectory() && entry.name.startsWith(SESSION_PREFIX))
      .map(({ name }) => name);
  }

  /** Clears away what killed processes left, but for what can be gone on from, and what nobody came back for. */
  async clean(own: string): Promise<void> {
    for (const name of await this.#sessions()) {
      const path = join(this.#tmp, name);
      const found = await lstat(path).catch(() => undefined);
      if (!found || path === own || Date.now() - found.mtimeMs <= STALE_MS) continue;
      await this.#salvage(path);
      await rm(path, { recursive: true, force: true }).catch(() => {});
    }
    if (!(await isDirectory(this.#directory))) return;
    for (const name of await readdir(this.#directory).catch(() => [])) {
      const path = join(this.#directory, name);
      const found = await lstat(path).catch(() => undefined);
      if (found && FILE_NAME.test(name) && Date.now() - found.mtimeMs > KEEP_MS) await rm(path, { force: true });
    }
  }

  /**
   * Keeps copies of what a session had under way. Its process may only have slept: what it has open must never become
   * a file of somebody else.
   */
  async #salvage(session: string): Promise<void> {
    for (const name of await readdir(session).catch(() => [])) {
      const found = FILE_NAME.test(name) ? await ownFile(join(session, name)) : undefined;
      const digest = name.replace("-", ":");
      if (!found || found.size < WORTH_KEEPING || !isDigest(digest) || (await this.#isWhole(digest))) continue;
      const copy = join(session, `${name}.copy`);
      try {
        await copyFile(join(session, name), copy, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
        await this.keep(digest, copy);
      } catch {
        // It was only for later.
      }
    }
  }
}

/** True for a directory, and not for a link to one. */
async function isDirectory(path: string): Promise<boolean> {
  return (await lstat(path).catch(() => undefined))?.isDirectory() ?? false;
}

/** A regular file that nobody else has another name for. */
async function ownFile(path: string): Promise<{ readonly size: number; readonly mtimeMs: number } | undefined> {
  const found = await lstat(path).catch(() => undefined);
  return found?.isFile() && found.nlink === 1 ? found : undefined;
}

/** Undefined for a file as long as the whole, or longer: it would have been published if it were right. */
async function hashOf(
  path: string,
  digest: Digest,
  whole: number,
  signal?: AbortSignal,
): Promise<Checkpoint | undefined> {
  const file = await openRegularFile(path);
  if (!file) return undefined;
  try {
    const hasher = new Hasher(algorithmOf(digest));
    const buffer = Buffer.allocUnsafe(CHUNK_SIZE);
    let offset = 0;
    while (file.size < whole && offset < whole) {
      signal?.throwIfAborted();
      const { bytesRead } = await file.handle.read(buffer, 0, buffer.length, offset);
      if (bytesRead === 0) return { offset, hasher };
      hasher.update(buffer.subarray(0, bytesRead));
      offset += bytesRead;
    }
    return undefined;
  } finally {
    await file.handle.close();
  }
}
