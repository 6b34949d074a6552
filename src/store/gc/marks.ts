import { closeSync, lstatSync, openSync, readSync } from "node:fs";
import { GantryError, isGantryError } from "../../base/error.ts";
import { childrenOf, isDocument } from "../../images/graph.ts";
import { chainIDs, diffIDs } from "../../images/identity.ts";
import { decodeDocument, decodeImage } from "../../spec/decode.ts";
import { algorithmOf, type Digest, digestOf, isDigest } from "../../spec/digest.ts";
import { isConfigType, isLayerType } from "../../spec/media-types.ts";
import { readSmallFileSync } from "../../sys/regular-file.ts";
import type { PushedManifest } from "../repositories/tables.ts";
import type { Trash } from "../trash.ts";
import type { Collectable } from "./collectable.ts";

/** A larger blob is not decoded as a document. It is searched for digests instead. Bytes. */
const LARGEST_DOCUMENT = 64 << 20;
/** Characters that a search repeats at the start of the next piece: more than a digest of sha512 has. */
const OVERLAP = 140;

interface Child {
  readonly digest: Digest;
  readonly mediaType: string;
}

interface FoundFile {
  readonly path: string;
  readonly size: number;
}

/** The blobs and layers that names and leases lead to. Documents are read from the store, or from the trash. */
export class Marks {
  readonly #store: Collectable;
  readonly #trash: Trash;
  readonly #wantLayers: boolean;
  readonly #marked = new Set<string>();
  readonly #layers = new Set<string>();
  /** The blobs that were followed since `startAgain`, each with the way in which it was read. */
  #followed = new Set<string>();
  /** The children of existing documents. A missing document is looked for again. */
  readonly #known = new Map<string, readonly Child[]>();

  /** @param options.layers whether there are extracted layers to mark */
  constructor(store: Collectable, trash: Trash, options: { readonly layers: boolean }) {
    this.#store = store;
    this.#trash = trash;
    this.#wantLayers = options.layers;
  }

  has(digest: string): boolean {
    return this.#marked.has(digest);
  }

  /** @param digest a diffID or chainID */
  hasLayer(digest: string): boolean {
    return this.#layers.has(digest) || this.#marked.has(digest);
  }

  /** Lets every blob be followed once more. The marks stay. */
  startAgain(): void {
    this.#followed = new Set();
  }

  /** Marks an image and all that its existing documents lead to. */
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

  /**
   * Marks manifests that were pushed by their digest, and those whose subject is marked: referrers of referrers too.
   */
  markPushed(pushed: readonly PushedManifest[]): void {
    let waiting = pushed;
    for (let found = true; found; ) {
      const wanted = waiting.filter(({ subject }) => subject === undefined || this.has(subject));
      waiting = waiting.filter(({ subject }) => subject !== undefined && !this.has(subject));
      for (const manifest of wanted) this.markImage(manifest);
      found = wanted.length > 0;
    }
  }

  /** Marks a blob of unknown type, and every digest that it mentions: it may be a document. */
  markMentioned(digest: Digest): void {
    const pending: Child[] = [{ digest, mediaType: "" }];
    for (let next = pending.pop(); next; next = pending.pop()) {
      this.#marked.add(next.digest);
      pending.push(...this.#follow(next, "any", (it) => this.#mentionedIn(it)));
    }
  }

  /** The children of a blob; none where it is missing, or was followed since `startAgain`. */
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
      // Another program may have stored a document that this one cannot decode.
      return this.#mentionedIn(child);
    }
  }

  /** Marks the diffIDs of an image, and the chainIDs of its stacks. */
  #markLayers({ digest }: Child): readonly Child[] | undefined {
    const file = this.#wantLayers ? this.#find(digest) : undefined;
    if (!file || file.size > LARGEST_DOCUMENT) return undefined;
    const limits = { ...this.#store.limits, metadataBytes: LARGEST_DOCUMENT };
    const layers = diffIDs(decodeImage(this.#read(digest, file.path), `config ${digest}`, limits));
    for (const id of [...layers, ...chainIDs(layers)]) this.#layers.add(id);
    return [];
  }

  /** The digests that a JSON document mentions, whatever its size. */
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
        rest = text.slice(-OVERLAP);
      }
    } finally {
      closeSync(handle);
    }
    return [...found].map((it) => ({ digest: it as Digest, mediaType: "" }));
  }

  #find(digest: Digest): FoundFile | undefined {
    // A blob of an unknown algorithm cannot be stored.
    if (!isDigest(digest)) return undefined;
    for (const path of [this.#store.blobs.path(digest), this.#trash.file(digest)]) {
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
      `blob ${digest} of the store ${this.#store.directory} is damaged, so its children are unknown; nothing that it may lead to was removed. Run \`${this.#store.advice.command(["images", "fsck"])}\``,
      { details: { digest } },
    );
  }
}
