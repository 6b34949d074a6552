import { randomUUID } from "node:crypto";
import { lstatSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { readdir, rm, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { errnoOf, GantryError, isGantryError } from "../base/error.ts";
import type { Limits } from "../base/limits.ts";
import type { OperationOptions } from "../base/progress.ts";
import type { BlobDirectory } from "../content/blob-directory.ts";
import { childrenOf, isDocument } from "../images/graph.ts";
import { decodeDocument, decodeImage } from "../spec/decode.ts";
import { algorithmOf, type Digest, digestOf, isDigest } from "../spec/digest.ts";
import { isConfigType, isLayerType } from "../spec/media-types.ts";
import type { Descriptor } from "../spec/types.ts";
import { fileSystemError } from "../sys/fs-error.ts";
import { withLock } from "../sys/lock.ts";
import { readLeases } from "./leases.ts";
import { blobFile, inventory } from "./presence.ts";
import type { Snapshot } from "./sql/images.ts";

/** What a garbage collection needs of a store. */
export interface Collectable {
  readonly directory: string;
  readonly blobs: BlobDirectory;
  readonly limits: Limits;
  /** Every name of every namespace, also of other hosts. */
  snapshot(): Promise<Snapshot>;
  generation(): Promise<number>;
  /** The last change of the names that index.json shows; -1 where it shows none. */
  exported(): Promise<number>;
}

export interface GcOptions extends OperationOptions {
  /** Say what would go, and touch nothing. */
  readonly dryRun?: boolean;
}

export interface GcReport {
  readonly blobs: readonly { readonly digest: Digest; readonly size: number }[];
  /** Extracted layers, by the name of their directory. */
  readonly layers: readonly string[];
  /** Of the blobs. */
  readonly bytes: number;
  /** Blobs that stay. */
  readonly kept: number;
}

/** Blobs taken out of sight at once, before names and leases are asked again. */
const BATCH = 1_000;
/** Larger files are not looked into for digests. */
const SCANNED_BYTES = 4 << 20;

/**
 * Removes what no name of any namespace and no lease leads to. Others may pull meanwhile: a blob is first put aside,
 * then names and leases are read again, and only what still nobody wants is removed. Whoever looks for a blob after it
 * was put aside finds nothing and brings it anew; whoever found it before has protected it first, so we see that.
 * @throws STORE_DAMAGED for a document that is not what its name says: what it led to cannot be known; STORE_DATABASE
 * where the database has lost names that it had
 */
export async function collectGarbage(store: Collectable, options: GcOptions = {}): Promise<GcReport> {
  const { directory } = store;
  return withLock(
    join(directory, "gc.lock"),
    async (lock) => {
      if (!options.dryRun) await restoreTrash(store.blobs);
      // Its own: a collection that slept and woke up must not touch what another one has put aside.
      const trash = join(trashOf(store.blobs), randomUUID());
      const marks = new Marks(store, trash);
      const leases = await readLeases(directory);
      for (const digest of leases.protected) marks.markMentioned(digest);
      const exported = await store.exported();
      const { generation, images } = await store.snapshot();
      requireCurrent(store, generation, exported);
      for (const { target } of images) marks.markImage(target);
      const { garbage, kept } = await unmarked(directory, marks);
      const layers = unmarkedLayers(directory, marks);
      if (options.dryRun) return report(garbage, layers, kept);
      const removed: { digest: Digest; size: number }[] = [];
      let seen = generation;
      for (let at = 0; at < garbage.length; at += BATCH) {
        options.signal?.throwIfAborted();
        await lock.check();
        const batch = garbage.slice(at, at + BATCH);
        await putAside(store.blobs, trash, batch);
        seen = await markAgain(store, marks, seen);
        const gone = await empty(store.blobs, trash, marks);
        removed.push(...batch.filter(({ digest }) => gone.has(digest)));
        options.progress?.({ type: "advance", id: "gc", done: at + batch.length });
      }
      for (const name of layers) await rm(join(directory, "layers", name), { recursive: true, force: true });
      for (const path of leases.expired) await rm(path, { force: true });
      return report(removed, layers, kept + garbage.length - removed.length);
    },
    options.signal ? { signal: options.signal } : {},
  );
}

/** Names that were lost lead to blobs that must not be. @throws STORE_DATABASE */
function requireCurrent(store: Collectable, generation: number, exported: number): void {
  if (exported <= generation) return;
  throw new GantryError(
    "STORE_DATABASE",
    `the database of the store ${store.directory} is older than its index.json (change ${generation} and change ${exported}): it may have been replaced. Nothing was removed; \`gantry images fsck --rebuild\` takes the names of both`,
  );
}

function report(blobs: GcReport["blobs"], layers: readonly string[], kept: number): GcReport {
  return { blobs, layers, bytes: blobs.reduce((sum, { size }) => sum + size, 0), kept };
}

/** Where collections put blobs aside, each in a directory of its own. */
const trashOf = (blobs: BlobDirectory): string => join(blobs.root, "trash");

/** The blobs in a directory of things put aside. */
async function listAside(trash: string): Promise<Digest[]> {
  const found: Digest[] = [];
  for (const algorithm of ["sha256", "sha512"]) {
    const names = await readdir(join(trash, algorithm)).catch(() => []);
    found.push(...names.map((name) => `${algorithm}:${name}`).filter(isDigest));
  }
  return found;
}

/** Removes directories that are empty by now; one that is not is somebody's. */
async function removeEmpty(trash: string): Promise<void> {
  for (const path of [join(trash, "sha256"), join(trash, "sha512"), trash, join(trash, "..")]) {
    await rmdir(path).catch(() => {});
  }
}

/** Brings back what a collection that was killed had put aside; it may be wanted. */
export async function restoreTrash(blobs: BlobDirectory): Promise<void> {
  for (const name of await readdir(trashOf(blobs)).catch(() => [])) {
    const trash = join(trashOf(blobs), name);
    for (const digest of await listAside(trash)) bringBack(blobs, trash, digest);
    await removeEmpty(trash);
  }
}

function bringBack(blobs: BlobDirectory, trash: string, digest: Digest): void {
  move(blobFile(trash, digest), blobs.path(digest));
}

/** Moves a file that may be gone by now. */
function move(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw error;
  }
}

/**
 * Calls `work` for each item. One call to the kernel is sooner done than waited for, but many together would keep
 * everybody else in this process waiting.
 */
async function forEachSync<T>(items: readonly T[], work: (item: T) => void): Promise<void> {
  for (const [at, item] of items.entries()) {
    work(item);
    if (at % 100 === 99) await new Promise(setImmediate);
  }
}

async function putAside(
  blobs: BlobDirectory,
  trash: string,
  batch: readonly { readonly digest: Digest }[],
): Promise<void> {
  try {
    for (const algorithm of ["sha256", "sha512"]) mkdirSync(join(trash, algorithm), { recursive: true, mode: 0o700 });
    await forEachSync(batch, ({ digest }) => move(blobs.path(digest), blobFile(trash, digest)));
  } catch (error) {
    throw await fileSystemError(error, "putting aside blobs in", trash);
  }
}

/** Marks what got a lease or a name since. Leases come first: one that is gone by now has left a name. */
async function markAgain(store: Collectable, marks: Marks, seen: number): Promise<number> {
  for (const digest of (await readLeases(store.directory)).protected) marks.markMentioned(digest);
  const generation = await store.generation();
  if (generation === seen) return seen;
  const now = await store.snapshot();
  for (const { target } of now.images) marks.markImage(target);
  return now.generation;
}

/** Brings back what is wanted after all, and removes the rest. @returns what was removed */
async function empty(blobs: BlobDirectory, trash: string, marks: Marks): Promise<ReadonlySet<Digest>> {
  const gone = new Set<Digest>();
  await forEachSync(await listAside(trash), (digest) => {
    if (marks.has(digest)) return bringBack(blobs, trash, digest);
    rmSync(blobFile(trash, digest), { force: true });
    gone.add(digest);
  });
  await removeEmpty(trash);
  return gone;
}

async function unmarked(
  directory: string,
  marks: Marks,
): Promise<{ garbage: { digest: Digest; size: number }[]; kept: number }> {
  const garbage: { digest: Digest; size: number }[] = [];
  let kept = 0;
  await forEachSync([...(await inventory(directory))].filter(isDigest), (digest) => {
    if (marks.has(digest)) {
      kept += 1;
      return;
    }
    const found = lstatSync(blobFile(join(directory, "blobs"), digest), { throwIfNoEntry: false });
    if (found?.isFile()) garbage.push({ digest, size: found.size });
  });
  return { garbage, kept };
}

/** Directories below `layers/ALGORITHM/` that are named by no diffID or chainID of an image that stays. */
function unmarkedLayers(directory: string, marks: Marks): string[] {
  return layerNames(directory).filter((name) => {
    const [algorithm, hex] = name.split("/");
    return !marks.hasLayer(`${algorithm}:${hex}`);
  });
}

function layerNames(directory: string): string[] {
  const root = join(directory, "layers");
  const list = (path: string): string[] => {
    try {
      return readdirSync(path);
    } catch (error) {
      if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR") return [];
      throw error;
    }
  };
  return list(root).flatMap((algorithm) => list(join(root, algorithm)).map((name) => `${algorithm}/${name}`));
}

/** What is reachable. Documents are read where they are now, put aside or not. */
class Marks {
  readonly #store: Collectable;
  readonly #trash: string;
  readonly #marked = new Set<string>();
  /** What was read already, and as what. */
  readonly #read = new Set<string>();
  readonly #layers = new Set<string>();
  readonly #wantLayers: boolean;

  constructor(store: Collectable, trash: string) {
    this.#store = store;
    this.#trash = trash;
    this.#wantLayers = layerNames(store.directory).length > 0;
  }

  has(digest: string): boolean {
    return this.#marked.has(digest);
  }

  hasLayer(digest: string): boolean {
    return this.#layers.has(digest) || this.#marked.has(digest);
  }

  /** An image and all that its documents lead to, as far as they are here. */
  markImage(target: Descriptor): void {
    const pending: Descriptor[] = [target];
    for (let next = pending.pop(); next; next = pending.pop()) {
      this.#marked.add(next.digest);
      if (isLayerType(next.mediaType)) continue;
      if (isDocument(next)) pending.push(...this.#children(next));
      else if (isConfigType(next.mediaType)) this.#markLayers(next);
      else this.markMentioned(next.digest);
    }
  }

  #once(digest: Digest, as: string): boolean {
    const key = `${as} ${digest}`;
    if (this.#read.has(key)) return false;
    this.#read.add(key);
    return true;
  }

  #children(descriptor: Descriptor): readonly Descriptor[] {
    const { digest, mediaType } = descriptor;
    const bytes = this.#once(digest, mediaType) ? this.#bytes(digest) : undefined;
    if (!bytes) return [];
    try {
      return childrenOf(decodeDocument(bytes, mediaType, `manifest ${digest}`, this.#store.limits));
    } catch (error) {
      if (!isGantryError(error)) throw error;
      // Whoever stored it may know what it is.
      this.markMentioned(digest);
      return [];
    }
  }

  /** The diffIDs of an image, and the chainIDs of its stacks (image-spec config.md, "Layer ChainID"). */
  #markLayers({ digest }: Descriptor): void {
    const bytes = this.#wantLayers && this.#once(digest, "config") ? this.#bytes(digest) : undefined;
    if (!bytes) return;
    let chain: Digest | undefined;
    for (const diffID of decodeImage(bytes, `config ${digest}`, this.#store.limits).rootfs.diff_ids) {
      chain = chain === undefined ? diffID : digestOf(`${chain} ${diffID}`);
      this.#layers.add(diffID).add(chain);
    }
  }

  /** A blob of which only the digest is known: it, and whatever it mentions, for it may be a document. */
  markMentioned(digest: Digest): void {
    const pending: Digest[] = [digest];
    for (let next = pending.pop(); next; next = pending.pop()) {
      this.#marked.add(next);
      const bytes = this.#once(next, "any") ? this.#bytes(next, SCANNED_BYTES) : undefined;
      if (bytes?.[0] !== 0x7b) continue;
      for (const [found] of bytes.toString("latin1").matchAll(/sha(?:256:[0-9a-f]{64}|512:[0-9a-f]{128})/g)) {
        pending.push(found as Digest);
      }
    }
  }

  /** @throws STORE_DAMAGED */
  #bytes(digest: Digest, most: number = this.#store.limits.metadataBytes): Buffer | undefined {
    const { blobs, directory } = this.#store;
    for (const path of [blobs.path(digest), blobFile(this.#trash, digest)]) {
      const found = lstatSync(path, { throwIfNoEntry: false });
      if (!found?.isFile()) continue;
      if (found.size > most) return undefined;
      let bytes: Buffer;
      try {
        bytes = readFileSync(path);
      } catch (error) {
        if (errnoOf(error) === "ENOENT") continue;
        throw error;
      }
      if (digestOf(bytes, algorithmOf(digest)) === digest) return bytes;
      throw new GantryError(
        "STORE_DAMAGED",
        `blob ${digest} of the store ${directory} is damaged, so what it leads to cannot be known; nothing that it may lead to was removed. Run \`gantry images fsck\``,
        { details: { digest } },
      );
    }
    return undefined;
  }
}
