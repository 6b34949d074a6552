import { randomUUID } from "node:crypto";
import {
  closeSync,
  existsSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
} from "node:fs";
import { rm, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { errnoOf, GantryError, isGantryError } from "../base/error.ts";
import type { Limits } from "../base/limits.ts";
import type { OperationOptions } from "../base/progress.ts";
import type { BlobDirectory } from "../content/blob-directory.ts";
import { childrenOf, isDocument } from "../images/graph.ts";
import { chainIDs, diffIDs } from "../images/identity.ts";
import { decodeDocument, decodeImage } from "../spec/decode.ts";
import { algorithmOf, type Digest, digestOf, isDigest } from "../spec/digest.ts";
import { isConfigType, isLayerType } from "../spec/media-types.ts";
import { fileSystemError } from "../sys/fs-error.ts";
import { requireDirectory } from "../sys/in-place.ts";
import { withLock } from "../sys/lock.ts";
import { readSmallFileSync } from "../sys/regular-file.ts";
import type { Advice } from "./advice.ts";
import { namesIn } from "./directory.ts";
import { readLeases } from "./leases.ts";
import { blobFile, inventory } from "./presence.ts";
import type { Snapshot } from "./sql/images.ts";

/** What a garbage collection needs of a store. */
export interface Collectable {
  readonly directory: string;
  readonly blobs: BlobDirectory;
  readonly limits: Limits;
  readonly advice: Advice;
  /** Every name of every namespace, also of other hosts. */
  snapshot(): Promise<Snapshot>;
  generation(): Promise<number>;
  /** What clients of a server pushed under its digest alone, and what refers to other content. */
  pushed(): Promise<readonly Pushed[]>;
  /** Called with the digests whose bytes are gone. */
  removed(digests: readonly Digest[]): Promise<void>;
  /** The last change of the names that index.json shows; -1 where it shows none. */
  exported(): Promise<number>;
}

/** A manifest that no name leads to. One with a subject stays for as long as that does. */
export interface Pushed {
  readonly digest: Digest;
  readonly mediaType: string;
  readonly subject: Digest | undefined;
}

export interface GcOptions extends OperationOptions {
  /** Say what would go, and touch nothing. */
  readonly dryRun?: boolean | undefined;
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
/** What is larger is no document that anybody decodes; it is searched for digests instead. Bytes. */
const LARGEST_DOCUMENT = 64 << 20;

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
      marks.markPushed(await store.pushed());
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
        await store.removed([...gone]);
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
    `the database of the store ${store.directory} is older than its index.json (change ${generation} and change ${exported}): it may have been replaced. Nothing was removed; \`${store.advice.command(["images", "fsck", "--rebuild"])}\` takes the names of both`,
  );
}

function report(blobs: GcReport["blobs"], layers: readonly string[], kept: number): GcReport {
  return { blobs, layers, bytes: blobs.reduce((sum, { size }) => sum + size, 0), kept };
}

/** Where collections put blobs aside, each in a directory of its own. */
const trashOf = (blobs: BlobDirectory): string => join(blobs.root, "trash");

/** The directories in which collections have put blobs aside. @throws NOT_REGULAR_FILE for one that is a link */
async function trashes(blobs: BlobDirectory): Promise<string[]> {
  requireDirectory(trashOf(blobs));
  const found = (await namesIn(trashOf(blobs))).map((name) => join(trashOf(blobs), name));
  for (const trash of found) for (const path of [trash, ...aside(trash)]) requireDirectory(path);
  return found;
}

const aside = (trash: string): string[] => ["sha256", "sha512"].map((algorithm) => join(trash, algorithm));

/** The blobs in a directory of things put aside. */
async function listAside(trash: string): Promise<Digest[]> {
  const found: Digest[] = [];
  for (const algorithm of ["sha256", "sha512"]) {
    const names = await namesIn(join(trash, algorithm));
    found.push(...names.map((name) => `${algorithm}:${name}`).filter(isDigest));
  }
  return found;
}

/** Removes directories that are empty by now; one that is not is somebody's. */
async function removeEmpty(trash: string): Promise<void> {
  for (const path of [...aside(trash), trash, join(trash, "..")]) {
    await rmdir(path).catch(() => {});
  }
}

/** Brings back what a collection that was killed had put aside; it may be wanted. */
export async function restoreTrash(blobs: BlobDirectory): Promise<void> {
  for (const trash of await trashes(blobs)) {
    for (const digest of await listAside(trash)) bringBack(blobs, trash, digest);
    await removeEmpty(trash);
  }
}

/** Brings one blob back, if a collection has put it aside: somebody reads it now. */
export async function recoverBlob(blobs: BlobDirectory, digest: Digest): Promise<boolean> {
  for (const trash of await trashes(blobs)) {
    const file = blobFile(trash, digest);
    if (!existsSync(file)) continue;
    move(file, blobs.path(digest));
    return true;
  }
  return false;
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
    for (const path of aside(trash)) mkdirSync(path, { recursive: true, mode: 0o700 });
    await forEachSync(batch, ({ digest }) => move(blobs.path(digest), blobFile(trash, digest)));
  } catch (error) {
    throw await fileSystemError(error, "putting aside blobs in", trash);
  }
}

/**
 * Marks what got a lease or a name since. Leases come first: one that is gone by now has left a name. Every image is
 * followed again: documents that were not here may be now.
 */
async function markAgain(store: Collectable, marks: Marks, seen: number): Promise<number> {
  marks.startAgain();
  for (const digest of (await readLeases(store.directory)).protected) marks.markMentioned(digest);
  const generation = await store.generation();
  if (generation === seen) return seen;
  const now = await store.snapshot();
  for (const { target } of now.images) marks.markImage(target);
  marks.markPushed(await store.pushed());
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
  return list(root).flatMap((algorithm) => {
    if (lstatSync(join(root, algorithm)).isSymbolicLink()) requireDirectory(join(root, algorithm));
    return list(join(root, algorithm)).map((name) => `${algorithm}/${name}`);
  });
}

interface Child {
  readonly digest: Digest;
  readonly mediaType: string;
}

/** What is reachable. Documents are read where they are now, put aside or not. */
class Marks {
  readonly #store: Collectable;
  readonly #trash: string;
  readonly #marked = new Set<string>();
  /** What was followed since the last start, and as what. */
  #followed = new Set<string>();
  /** What documents that were here lead to. What was not here is looked for again. */
  readonly #known = new Map<string, readonly Child[]>();
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

  /** What is marked stays marked; from here on everything is followed once more. */
  startAgain(): void {
    this.#followed = new Set();
  }

  /** An image and all that its documents lead to, as far as they are here. */
  markImage(target: Child): void {
    const pending: Child[] = [target];
    for (let next = pending.pop(); next; next = pending.pop()) {
      this.#marked.add(next.digest);
      if (isLayerType(next.mediaType)) continue;
      if (isDocument(next)) pending.push(...this.#follow(next, next.mediaType, (it) => this.#childrenOf(it)));
      else if (isConfigType(next.mediaType)) this.#follow(next, "config", (it) => this.#markLayers(it));
      else this.markMentioned(next.digest);
    }
  }

  /** What was pushed by its digest, and referrers of what stays, referrers of referrers too. */
  markPushed(pushed: readonly Pushed[]): void {
    let waiting: readonly Pushed[] = pushed;
    for (let found = true; found; ) {
      const wanted = waiting.filter(({ subject }) => subject === undefined || this.has(subject));
      waiting = waiting.filter(({ subject }) => subject !== undefined && !this.has(subject));
      for (const entry of wanted) this.markImage(entry);
      found = wanted.length > 0;
    }
  }

  /** A blob of which only the digest is known: it, and whatever it mentions, for it may be a document. */
  markMentioned(digest: Digest): void {
    const pending: Child[] = [{ digest, mediaType: "" }];
    for (let next = pending.pop(); next; next = pending.pop()) {
      this.#marked.add(next.digest);
      pending.push(...this.#follow(next, "any", (it) => this.#mentionedIn(it)));
    }
  }

  /** What a blob leads to, where it is here; each one once until we start again. */
  #follow(child: Child, as: string, read: (child: Child) => readonly Child[] | undefined): readonly Child[] {
    const key = `${child.digest} ${as}`;
    if (this.#followed.has(key)) return [];
    this.#followed.add(key);
    const found = this.#known.get(key) ?? read(child);
    if (found) this.#known.set(key, found);
    return found ?? [];
  }

  #childrenOf(child: Child): readonly Child[] | undefined {
    const { digest, mediaType } = child;
    const file = this.#find(digest);
    if (!file) return undefined;
    if (file.size > LARGEST_DOCUMENT) return this.#mentionedIn(child);
    const bytes = this.#read(digest, file.path);
    try {
      const limits = { ...this.#store.limits, metadataBytes: LARGEST_DOCUMENT };
      const children = childrenOf(decodeDocument(bytes, mediaType, `manifest ${digest}`, limits));
      return children.map((it) => ({ digest: it.digest, mediaType: it.mediaType }));
    } catch (error) {
      if (!isGantryError(error)) throw error;
      // Whoever stored it may know what it is.
      return this.#mentionedIn(child);
    }
  }

  /** The diffIDs of an image, and the chainIDs of its stacks. */
  #markLayers({ digest }: Child): readonly Child[] | undefined {
    const file = this.#wantLayers ? this.#find(digest) : undefined;
    if (!file || file.size > LARGEST_DOCUMENT) return undefined;
    const limits = { ...this.#store.limits, metadataBytes: LARGEST_DOCUMENT };
    const layers = diffIDs(decodeImage(this.#read(digest, file.path), `config ${digest}`, limits));
    for (const id of [...layers, ...chainIDs(layers)]) this.#layers.add(id);
    return [];
  }

  /** The digests that stand in a JSON document, however large it is. */
  #mentionedIn({ digest }: Child): readonly Child[] | undefined {
    const file = this.#find(digest);
    if (!file) return undefined;
    const found = new Set<string>();
    const handle = openSync(file.path, "r");
    try {
      const buffer = Buffer.alloc(1 << 20);
      let rest = "";
      for (let at = 0; ; ) {
        const count = readSync(handle, buffer, 0, buffer.length, at);
        if (count === 0 || (at === 0 && buffer[0] !== 0x7b)) break;
        at += count;
        const text = rest + buffer.toString("latin1", 0, count);
        for (const [match] of text.matchAll(/sha(?:256:[0-9a-f]{64}|512:[0-9a-f]{128})/g)) found.add(match);
        rest = text.slice(-140);
      }
    } finally {
      closeSync(handle);
    }
    return [...found].map((it) => ({ digest: it as Digest, mediaType: "" }));
  }

  #find(digest: Digest): { path: string; size: number } | undefined {
    // Of an algorithm that is not known: nothing can be stored under it.
    if (!isDigest(digest)) return undefined;
    for (const path of [this.#store.blobs.path(digest), blobFile(this.#trash, digest)]) {
      const found = lstatSync(path, { throwIfNoEntry: false });
      if (found?.isFile()) return { path, size: found.size };
    }
    return undefined;
  }

  /** @throws STORE_DAMAGED */
  #read(digest: Digest, path: string): Buffer {
    const bytes = readSmallFileSync(path, { limit: LARGEST_DOCUMENT });
    if (bytes && digestOf(bytes, algorithmOf(digest)) === digest) return bytes;
    throw new GantryError(
      "STORE_DAMAGED",
      `blob ${digest} of the store ${this.#store.directory} is damaged, so what it leads to cannot be known; nothing that it may lead to was removed. Run \`${this.#store.advice.command(["images", "fsck"])}\``,
      { details: { digest } },
    );
  }
}
