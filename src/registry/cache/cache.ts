import { LRUCache } from "lru-cache";
import { abortable, SingleFlight } from "../../base/async.ts";
import { isGantryError } from "../../base/error.ts";
import type { Content, Expected } from "../../content/content.ts";
import { type BlobSource, bytesBody, bytesContent } from "../../content/source.ts";
import type { RepoName, Tag } from "../../reference/reference.ts";
import { type Digest, isDigest } from "../../spec/digest.ts";
import { mediaTypes } from "../../spec/media-types.ts";
import type { Descriptor } from "../../spec/types.ts";
import { expectedOf } from "../expected.ts";
import { rangeInvalid } from "../refusals.ts";
import type {
  BlobUpload,
  CallOptions,
  GetBlobOptions,
  PushBlobOptions,
  PushManifestOptions,
  RangeContent,
  Registry,
  StoredManifest,
  UploadSession,
} from "../registry.ts";

export interface RegistryCacheOptions {
  /** What is kept at most, in bytes. Default: 64 MiB. */
  readonly maxBytes?: number | undefined;
  /** The largest blob or manifest that is kept, in bytes. Default: 4 MiB. */
  readonly maxItemBytes?: number | undefined;
  /** How long a tag is believed to name what it named, in milliseconds. Default: 60,000. */
  readonly tagTtl?: number | undefined;
}

/** What is known of a manifest or a blob: what it is, and its bytes, if they were seen and are not too large. */
interface Known {
  readonly mediaType: string;
  readonly size: number;
  readonly bytes?: Buffer | undefined;
}

type Kind = "manifest" | "blob";

/** What an entry takes beside its bytes, roughly. */
const ENTRY_BYTES = 512;

/**
 * A registry that remembers: manifests and small blobs by their digests, and for a while what tags name. Callers that
 * ask for the same thing at the same time share one answer. What is pushed is known from then on, what is deleted is
 * forgotten; errors are never kept. `fresh` in the options of a call goes past it.
 */
export function registryCache(registry: Registry, options: RegistryCacheOptions = {}): Registry {
  return new CachingRegistry(registry, options);
}

class CachingRegistry implements Registry {
  readonly name: string;
  readonly #inner: Registry;
  readonly #maxItemBytes: number;
  readonly #known: LRUCache<string, Known>;
  /** What a tag names, and whether we computed the digest or were only told. */
  readonly #tags: LRUCache<string, { readonly digest: Digest; readonly proved: boolean }>;
  readonly #manifests = new SingleFlight<StoredManifest>();
  readonly #blobs = new SingleFlight<Buffer | undefined>();
  readonly #answers = new SingleFlight<Descriptor>();

  constructor(inner: Registry, options: RegistryCacheOptions) {
    this.name = inner.name;
    this.#inner = inner;
    this.#maxItemBytes = options.maxItemBytes ?? 4_194_304;
    this.#known = new LRUCache({
      maxSize: options.maxBytes ?? 64 << 20,
      sizeCalculation: ({ bytes }) => ENTRY_BYTES + (bytes?.length ?? 0),
    });
    this.#tags = new LRUCache({ max: 10_000, ttl: options.tagTtl ?? 60_000 });
  }

  #key(repo: RepoName, kind: Kind, digest: Digest): string {
    return `${repo} ${kind} ${digest}`;
  }

  #look(repo: RepoName, kind: Kind, digest: Digest, options: CallOptions): Known | undefined {
    return options.fresh ? undefined : this.#known.get(this.#key(repo, kind, digest));
  }

  /** An answer that says less than is known, as a mount's may, changes nothing. */
  #remember(repo: RepoName, kind: Kind, { digest, mediaType, size }: Descriptor, bytes?: Uint8Array): void {
    const key = this.#key(repo, kind, digest);
    const old = this.#known.get(key);
    if (!mediaType || !Number.isSafeInteger(size) || (size === 0 && old && old.size > 0)) return;
    const kept = bytes && bytes.byteLength <= this.#maxItemBytes ? Buffer.from(bytes) : old?.bytes;
    this.#known.set(key, { mediaType, size, bytes: kept });
  }

  /** The digest that a tag is known to name. */
  #tagged(repo: RepoName, tag: string, options: CallOptions): { digest: Digest; proved: boolean } | undefined {
    return options.fresh ? undefined : this.#tags.get(`${repo} ${tag}`);
  }

  async getManifest(repo: RepoName, reference: Tag | Digest, options: CallOptions = {}): Promise<StoredManifest> {
    const tagged = isDigest(reference) ? undefined : this.#tagged(repo, reference, options);
    const digest = isDigest(reference) ? reference : tagged?.proved ? tagged.digest : undefined;
    const known = digest && this.#look(repo, "manifest", digest, options);
    if (digest && known?.bytes) {
      const { mediaType, size, bytes } = known;
      return { descriptor: { mediaType, digest, size }, bytes: Buffer.from(bytes) };
    }
    const ask = async (call: CallOptions): Promise<StoredManifest> => {
      const found = await this.#inner.getManifest(repo, reference, call);
      this.#remember(repo, "manifest", found.descriptor, found.bytes);
      if (!isDigest(reference)) {
        this.#tags.set(`${repo} ${reference}`, { digest: found.descriptor.digest, proved: true });
      }
      return found;
    };
    if (options.fresh) return ask(options);
    const { descriptor, bytes } = await abortable(
      this.#manifests.run(`${repo} ${reference}`, () => ask({})),
      options.signal,
    );
    return { descriptor: { ...descriptor }, bytes: Buffer.from(bytes) };
  }

  async resolveManifest(repo: RepoName, reference: Tag | Digest, options: CallOptions = {}): Promise<Descriptor> {
    const digest = isDigest(reference) ? reference : this.#tagged(repo, reference, options)?.digest;
    const known = digest && this.#look(repo, "manifest", digest, options);
    if (digest && known) return { mediaType: known.mediaType, digest, size: known.size };
    const ask = async (call: CallOptions): Promise<Descriptor> => {
      const found = await this.#inner.resolveManifest(repo, reference, call);
      this.#remember(repo, "manifest", found);
      if (!isDigest(reference)) this.#tags.set(`${repo} ${reference}`, { digest: found.digest, proved: false });
      return found;
    };
    return this.#shared(`manifest ${repo} ${reference}`, ask, options);
  }

  async resolveBlob(repo: RepoName, digest: Digest, options: CallOptions = {}): Promise<Descriptor> {
    const known = this.#look(repo, "blob", digest, options);
    if (known) return { mediaType: known.mediaType, digest, size: known.size };
    const ask = async (call: CallOptions): Promise<Descriptor> => {
      const found = await this.#inner.resolveBlob(repo, digest, call);
      this.#remember(repo, "blob", found);
      return found;
    };
    return this.#shared(`blob ${repo} ${digest}`, ask, options);
  }

  async #shared(
    key: string,
    ask: (call: CallOptions) => Promise<Descriptor>,
    options: CallOptions,
  ): Promise<Descriptor> {
    if (options.fresh) return ask(options);
    return {
      ...(await abortable(
        this.#answers.run(key, () => ask({})),
        options.signal,
      )),
    };
  }

  async getBlob(repo: RepoName, blob: Digest | Expected, options: GetBlobOptions = {}): Promise<Content> {
    const expected = expectedOf(blob);
    const what = `blob ${expected.digest} of ${this.name}/${repo}`;
    if (options.from) return this.#inner.getBlob(repo, blob, options);
    const known = this.#look(repo, "blob", expected.digest, options);
    if (known?.bytes) return bytesContent({ ...expected, size: expected.size ?? known.size }, known.bytes, what);
    const size = expected.size ?? known?.size;
    if (options.fresh || (size !== undefined && size > this.#maxItemBytes))
      return this.#inner.getBlob(repo, blob, options);
    let large: Content | undefined;
    const read = async (): Promise<Buffer | undefined> => {
      // By its digest alone: what one caller takes for its size is nothing to the others that wait for it.
      const content = await this.#inner.getBlob(repo, expected.digest);
      const bytes = await this.#readSmall(repo, expected, content);
      // One without a size has been read, in vain.
      if (!bytes && content.descriptor.size !== undefined) large = content;
      return bytes;
    };
    const reading = this.#blobs.run(`${repo} ${expected.digest}`, read);
    try {
      const bytes = await abortable(reading, options.signal);
      if (bytes) return bytesContent({ ...expected, size: expected.size ?? bytes.length }, bytes, what);
    } catch (error) {
      // A caller that was aborted takes nothing any more.
      void reading.then(
        () => large?.cancel(),
        () => {},
      );
      throw error;
    }
    if (large && typeof blob === "string") return large;
    await large?.cancel();
    return this.#inner.getBlob(repo, blob, options);
  }

  /** The whole blob, which is kept; undefined where it is too large for that. */
  async #readSmall(repo: RepoName, expected: Expected, content: Content): Promise<Buffer | undefined> {
    const { digest, mediaType = mediaTypes.octetStream } = expected;
    const { size } = content.descriptor;
    if (size !== undefined && size > this.#maxItemBytes) {
      this.#remember(repo, "blob", { mediaType, digest, size });
      return undefined;
    }
    try {
      const bytes = await content.bytes({ limit: this.#maxItemBytes });
      this.#remember(repo, "blob", { mediaType, digest, size: bytes.length }, bytes);
      return bytes;
    } catch (error) {
      // Its size was not told, and it is larger.
      if (size === undefined && isGantryError(error, "LIMIT_EXCEEDED")) return undefined;
      throw error;
    }
  }

  async getBlobRange(
    repo: RepoName,
    blob: Expected,
    range: { readonly start: number; readonly end: number },
    options: CallOptions = {},
  ): Promise<RangeContent> {
    const bytes = this.#look(repo, "blob", blob.digest, options)?.bytes;
    if (!bytes) return this.#inner.getBlobRange(repo, blob, range, options);
    const { start, end } = range;
    if (!(start >= 0 && start < end && end <= bytes.length)) throw rangeInvalid(blob.digest, start, end, bytes.length);
    return Object.assign(bytesBody(Buffer.from(bytes.subarray(start, end))), { start, end });
  }

  async pushBlob(
    repo: RepoName,
    descriptor: Descriptor,
    source: BlobSource,
    options?: PushBlobOptions,
  ): Promise<Descriptor> {
    const pushed = await this.#inner.pushBlob(repo, descriptor, source, options);
    this.#remember(repo, "blob", descriptor);
    return pushed;
  }

  async openUpload(
    repo: RepoName,
    options?: CallOptions & { readonly session?: UploadSession | undefined },
  ): Promise<BlobUpload> {
    return this.#inner.openUpload(repo, options);
  }

  async mountBlob(from: RepoName, to: RepoName, digest: Digest, options?: CallOptions): Promise<Descriptor> {
    const mounted = await this.#inner.mountBlob(from, to, digest, options);
    this.#remember(to, "blob", mounted);
    return mounted;
  }

  async pushManifest(
    repo: RepoName,
    bytes: Uint8Array,
    mediaType: string,
    options: PushManifestOptions = {},
  ): Promise<Descriptor> {
    const pushed = await this.#inner.pushManifest(repo, bytes, mediaType, options);
    this.#remember(repo, "manifest", pushed, bytes);
    for (const tag of options.tags ?? []) this.#tags.set(`${repo} ${tag}`, { digest: pushed.digest, proved: true });
    return pushed;
  }

  async deleteBlob(repo: RepoName, digest: Digest, options?: CallOptions): Promise<void> {
    this.#known.delete(this.#key(repo, "blob", digest));
    await this.#inner.deleteBlob(repo, digest, options);
    this.#known.delete(this.#key(repo, "blob", digest));
  }

  async deleteManifest(repo: RepoName, digest: Digest, options?: CallOptions): Promise<void> {
    await this.#inner.deleteManifest(repo, digest, options);
    this.#known.delete(this.#key(repo, "manifest", digest));
    for (const [key, tagged] of this.#tags.entries()) {
      if (tagged.digest === digest && key.startsWith(`${repo} `)) this.#tags.delete(key);
    }
  }

  async deleteTag(repo: RepoName, tag: Tag, options?: CallOptions): Promise<void> {
    await this.#inner.deleteTag(repo, tag, options);
    this.#tags.delete(`${repo} ${tag}`);
  }

  repositories(options?: CallOptions): AsyncIterable<RepoName> {
    return this.#inner.repositories(options);
  }

  tags(repo: RepoName, options?: CallOptions): AsyncIterable<Tag> {
    return this.#inner.tags(repo, options);
  }

  referrers(
    repo: RepoName,
    digest: Digest,
    options?: CallOptions & { readonly artifactType?: string | undefined },
  ): AsyncIterable<Descriptor> {
    return this.#inner.referrers(repo, digest, options);
  }

  async close(): Promise<void> {
    this.#known.clear();
    this.#tags.clear();
    await this.#inner.close();
  }
}
