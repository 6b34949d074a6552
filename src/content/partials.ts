import { constants, copyFile, lstat, readdir, rename, rm, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { algorithmOf, type Digest, Hasher, hexOf, isDigest } from "../spec/digest.ts";
import { STALE_MS } from "../sys/lock.ts";
import { makeDirectories } from "../sys/make-directories.ts";
import { openRegularFile } from "../sys/regular-file.ts";
import type { Checkpoint } from "./checkpoints.ts";
import { CHUNK_SIZE } from "./source.ts";

/** The prefix of session directories in `tmp/`; other entries are not touched. */
export const SESSION_PREFIX = "gantry-";
/** Smaller partial downloads are not kept: fetching their bytes again is cheaper. */
const WORTH_KEEPING = 1 << 20;
const KEEP_MS = 24 * 60 * 60 * 1000;

/** The digest in the file name of a partial download; undefined for other names. */
function digestFromName(name: string): Digest | undefined {
  const digest = name.replace("-", ":");
  return isDigest(digest) ? digest : undefined;
}

/**
 * Partial downloads, for the next transfer of the same blob to resume: in `tmp/partial/` for a day, or in the session of
 * a process that was killed. Nothing in them is verified.
 */
export class Partials {
  readonly #tmp: string;
  readonly #directory: string;
  readonly #isWhole: (digest: Digest) => Promise<boolean>;

  /** @param isWhole whether a blob exists by now, so that its partial download is useless */
  constructor(tmp: string, isWhole: (digest: Digest) => Promise<boolean>) {
    this.#tmp = tmp;
    this.#isWhole = isWhole;
    this.#directory = join(tmp, "partial");
  }

  /** The file name of a partial download. */
  name(digest: Digest): string {
    return `${algorithmOf(digest)}-${hexOf(digest)}`;
  }

  /**
   * Moves the partial download of a blob to `path`, and hashes it: its bytes may have changed since the process that
   * wrote them hashed them.
   * @returns where to resume; undefined if there is no partial download, and then no file at `path`
   * @throws the signal's reason; the partial download is kept
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
    // If several processes try, only one of them can rename it.
    return rename(kept, path).then(
      () => true,
      () => false,
    );
  }

  /** Copies the largest partial download of all sessions. Copies it, because its process may still be writing it. */
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

  /** Keeps a partial download if it is large enough and larger than the kept one; else removes it. */
  async keep(digest: Digest, path: string): Promise<boolean> {
    const found = await ownFile(path);
    const older = await ownFile(join(this.#directory, this.name(digest)));
    if (found && found.size >= WORTH_KEEPING && found.size > (older?.size ?? 0)) {
      try {
        await makeDirectories(this.#directory, 0o700);
        if (!(await isDirectory(this.#directory))) throw new Error("a link");
        await rename(path, join(this.#directory, this.name(digest)));
        return true;
      } catch {
        // Without it, the next transfer only takes longer.
      }
    }
    await rm(path, { force: true });
    return false;
  }

  /** Removes the partial download of a blob. */
  async forget(digest: Digest): Promise<void> {
    if (!(await isDirectory(this.#directory))) return;
    await rm(join(this.#directory, this.name(digest)), { force: true }).catch(() => {});
    await rmdir(this.#directory).catch(() => {});
  }

  /** The names of all session directories, including that of this process. */
  async #sessions(): Promise<readonly string[]> {
    const entries = await readdir(this.#tmp, { withFileTypes: true }).catch(() => []);
    return entries
      .filter((entry) => entry.isDirectory() && entry.name.startsWith(SESSION_PREFIX))
      .map(({ name }) => name);
  }

  /**
   * Removes stale sessions, but keeps their partial downloads; removes partial downloads that are older than a day.
   * @param own the session directory of this process, which stays
   */
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
      if (found && digestFromName(name) && Date.now() - found.mtimeMs > KEEP_MS) await rm(path, { force: true });
    }
  }

  /**
   * Keeps copies of a stale session's partial downloads. Not the files themselves: the process of the session may only
   * have slept and still have them open, and it must not write to a file that another process resumes.
   */
  async #salvage(session: string): Promise<void> {
    for (const name of await readdir(session).catch(() => [])) {
      const digest = digestFromName(name);
      const found = digest && (await ownFile(join(session, name)));
      if (!found || found.size < WORTH_KEEPING || (await this.#isWhole(digest))) continue;
      const copy = join(session, `${name}.copy`);
      try {
        await copyFile(join(session, name), copy, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
        await this.keep(digest, copy);
      } catch {
        // Without it, the next transfer only takes longer.
      }
    }
  }
}

/** True for a directory, and not for a link to one. */
async function isDirectory(path: string): Promise<boolean> {
  return (await lstat(path).catch(() => undefined))?.isDirectory() ?? false;
}

/** Size and time of a regular file without other hard links; undefined for anything else. */
async function ownFile(path: string): Promise<{ readonly size: number; readonly mtimeMs: number } | undefined> {
  const found = await lstat(path).catch(() => undefined);
  return found?.isFile() && found.nlink === 1 ? found : undefined;
}

/** Undefined for a file that is not shorter than the blob: it would have been published if it were right. */
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
