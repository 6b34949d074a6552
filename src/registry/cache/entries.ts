import { LRUCache } from "lru-cache";
import type { RepoName, Tag } from "../../reference/reference.ts";
import type { Digest } from "../../spec/digest.ts";
import type { Descriptor } from "../../spec/types.ts";

export interface RegistryCacheOptions {
  /** The size of the cache, in bytes. Default: 64 MiB. */
  readonly maxBytes?: number | undefined;
  /** The largest blob or manifest that is kept, in bytes. Default: 4 MiB. */
  readonly maxItemBytes?: number | undefined;
  /** How long the digest of a tag is kept, in milliseconds. Default: 60,000. */
  readonly tagTtl?: number | undefined;
}

/** A manifest or blob: its descriptor without the digest, and its bytes where they were fetched and are not too large. */
interface Known {
  readonly mediaType: string;
  readonly size: number;
  readonly bytes?: Buffer | undefined;
}

/** The digest that a tag names. `proved`: it was computed from the bytes, not only claimed by the registry. */
interface Tagged {
  readonly digest: Digest;
  readonly proved: boolean;
}

type Kind = "manifest" | "blob";

/** Roughly the memory of an entry without its bytes, in bytes. */
const ENTRY_BYTES = 512;

/** The entries of a cache: manifests and blobs by repository and digest, and for a while the digests of tags. */
export class CacheEntries {
  readonly maxItemBytes: number;
  readonly #known: LRUCache<string, Known>;
  readonly #tags: LRUCache<string, Tagged>;

  constructor(options: RegistryCacheOptions) {
    this.maxItemBytes = options.maxItemBytes ?? 4_194_304;
    this.#known = new LRUCache({
      maxSize: options.maxBytes ?? 64 << 20,
      sizeCalculation: ({ bytes }) => ENTRY_BYTES + (bytes?.length ?? 0),
    });
    this.#tags = new LRUCache({ max: 10_000, ttl: options.tagTtl ?? 60_000 });
  }

  get(kind: Kind, repo: RepoName, digest: Digest): Known | undefined {
    return this.#known.get(keyOf(kind, repo, digest));
  }

  /** Adds an entry, unless the descriptor lacks a media type or a size, as that of a mount may. */
  set(kind: Kind, repo: RepoName, { digest, mediaType, size }: Descriptor, bytes?: Uint8Array): void {
    const key = keyOf(kind, repo, digest);
    const old = this.#known.get(key);
    if (!mediaType || !Number.isSafeInteger(size) || (size === 0 && old && old.size > 0)) return;
    const kept = bytes && bytes.byteLength <= this.maxItemBytes ? Buffer.from(bytes) : old?.bytes;
    this.#known.set(key, { mediaType, size, bytes: kept });
  }

  delete(kind: Kind, repo: RepoName, digest: Digest): void {
    this.#known.delete(keyOf(kind, repo, digest));
  }

  tagged(repo: RepoName, tag: Tag): Tagged | undefined {
    return this.#tags.get(`${repo} ${tag}`);
  }

  tag(repo: RepoName, tag: Tag, tagged: Tagged): void {
    this.#tags.set(`${repo} ${tag}`, tagged);
  }

  untag(repo: RepoName, tag: Tag): void {
    this.#tags.delete(`${repo} ${tag}`);
  }

  /** Deletes a manifest and every tag that names it. */
  deleteManifest(repo: RepoName, digest: Digest): void {
    this.delete("manifest", repo, digest);
    for (const [key, tagged] of this.#tags.entries()) {
      if (tagged.digest === digest && key.startsWith(`${repo} `)) this.#tags.delete(key);
    }
  }

  clear(): void {
    this.#known.clear();
    this.#tags.clear();
  }
}

const keyOf = (kind: Kind, repo: RepoName, digest: Digest): string => `${repo} ${kind} ${digest}`;
