import { existsSync, renameSync, rmSync } from "node:fs";
import { rmdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { errnoOf } from "../base/error.ts";
import type { BlobDirectory } from "../content/blob-directory.ts";
import { type Digest, digestAlgorithms, isDigest } from "../spec/digest.ts";
import { fileSystemError } from "../sys/fs-error.ts";
import { requireDirectory } from "../sys/in-place.ts";
import { makeDirectories } from "../sys/make-directories.ts";
import { blobFile, isUnwritable, namesIn } from "./directory.ts";

/** Trash that has not changed for this long was left by a collection that was killed. Milliseconds. */
const OLD_MS = 30_000;

/** The directory of all trash. Each collection has a directory of its own in it. */
const trashOf = (blobs: BlobDirectory): string => join(blobs.root, "trash");

/** The directory in which one collection puts blobs aside. */
export class Trash {
  readonly #blobs: BlobDirectory;
  readonly #path: string;

  constructor(blobs: BlobDirectory, name: string) {
    this.#blobs = blobs;
    this.#path = join(trashOf(blobs), name);
  }

  /** The trash of every collection. @throws NOT_REGULAR_FILE for one that is a link */
  static async all(blobs: BlobDirectory): Promise<Trash[]> {
    requireDirectory(trashOf(blobs));
    const found = (await namesIn(trashOf(blobs))).map((name) => new Trash(blobs, name));
    for (const trash of found) for (const path of [trash.#path, ...trash.#parts()]) requireDirectory(path);
    return found;
  }

  #parts(): string[] {
    return digestAlgorithms.map((algorithm) => join(this.#path, algorithm));
  }

  /** The file of a blob that is put aside. */
  file(digest: Digest): string {
    return blobFile(this.#path, digest);
  }

  async list(): Promise<Digest[]> {
    const found: Digest[] = [];
    for (const algorithm of digestAlgorithms) {
      const names = await namesIn(join(this.#path, algorithm));
      found.push(...names.map((name) => `${algorithm}:${name}`).filter(isDigest));
    }
    return found;
  }

  async putAside(digests: readonly Digest[]): Promise<void> {
    try {
      for (const path of this.#parts()) await makeDirectories(path, 0o700);
      await forEachSync(digests, (digest) => move(this.#blobs.path(digest), this.file(digest)));
    } catch (error) {
      throw await fileSystemError(error, "putting aside blobs in", this.#path);
    }
  }

  restore(digest: Digest): void {
    move(this.file(digest), this.#blobs.path(digest));
  }

  /** Restores the wanted blobs, and removes the others. @returns the removed ones */
  async empty(isWanted: (digest: Digest) => boolean): Promise<ReadonlySet<Digest>> {
    const removed = new Set<Digest>();
    await forEachSync(await this.list(), (digest) => {
      if (isWanted(digest)) return this.restore(digest);
      rmSync(this.file(digest), { force: true });
      removed.add(digest);
    });
    await this.removeDirectories();
    return removed;
  }

  /** Removes the empty directories; another process may use the others. */
  async removeDirectories(): Promise<void> {
    for (const path of [...this.#parts(), this.#path, trashOf(this.#blobs)]) {
      await rmdir(path).catch(() => {});
    }
  }
}

/** Restores all blobs that are put aside: a name or a lease may lead to them. */
export async function restoreTrash(blobs: BlobDirectory): Promise<void> {
  for (const trash of await Trash.all(blobs)) await trash.empty(() => true);
}

/** As {@link restoreTrash}, but only old trash. In a store that cannot be written to, the blobs stay in the trash. */
export async function restoreOldTrash(blobs: BlobDirectory): Promise<void> {
  const found = await stat(trashOf(blobs)).catch(() => undefined);
  if (!found || Date.now() - found.mtimeMs <= OLD_MS) return;
  await restoreTrash(blobs).catch((error: unknown) => {
    if (!isUnwritable(error)) throw error;
  });
}

/** Restores one blob that is about to be read. @returns false where no collection has put it aside */
export async function recoverBlob(blobs: BlobDirectory, digest: Digest): Promise<boolean> {
  if (!existsSync(trashOf(blobs))) return false;
  const trash = (await Trash.all(blobs)).find((each) => existsSync(each.file(digest)));
  trash?.restore(digest);
  return trash !== undefined;
}

/** Moves a file, unless another process has moved it already. */
function move(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw error;
  }
}

/** Calls `work`, which is synchronous for speed, for each item. In pauses other work of this process runs. */
export async function forEachSync<T>(items: readonly T[], work: (item: T) => void): Promise<void> {
  for (const [at, item] of items.entries()) {
    work(item);
    if (at % 100 === 99) await new Promise(setImmediate);
  }
}
