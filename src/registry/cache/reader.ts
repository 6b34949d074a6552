import { abortable, SingleFlight } from "../../base/async.ts";
import { isGantryError } from "../../base/error.ts";
import type { Content, Expected } from "../../content/content.ts";
import { bytesBody, bytesContent } from "../../content/source.ts";
import type { RepoName, Tag } from "../../reference/reference.ts";
import { type Digest, isDigest } from "../../spec/digest.ts";
import { mediaTypes } from "../../spec/media-types.ts";
import type { Descriptor } from "../../spec/types.ts";
import { expectedOf } from "../expected.ts";
import { requireRange } from "../refusals.ts";
import type {
  ByteRange,
  CallOptions,
  GetBlobOptions,
  RangeContent,
  RegistryReader,
  StoredManifest,
} from "../registry.ts";
import type { CacheEntries } from "./entries.ts";

/**
 * Reads from the cache, else from the registry. Callers that ask for the same thing at the same time share one request;
 * a caller that aborts leaves it to the others. `fresh` asks the registry.
 */
export class CachingReader implements RegistryReader {
  readonly name: string;
  readonly #inner: RegistryReader;
  readonly #entries: CacheEntries;
  readonly #manifests = new SingleFlight<StoredManifest>();
  readonly #blobs = new SingleFlight<Buffer | undefined>();
  readonly #answers = new SingleFlight<Descriptor>();

  constructor(inner: RegistryReader, entries: CacheEntries) {
    this.name = inner.name;
    this.#inner = inner;
    this.#entries = entries;
  }

  async getManifest(repo: RepoName, reference: Tag | Digest, options: CallOptions = {}): Promise<StoredManifest> {
    const fetch = async (call: CallOptions): Promise<StoredManifest> => {
      const found = await this.#inner.getManifest(repo, reference, call);
      const { descriptor, bytes } = found;
      this.#entries.set("manifest", repo, descriptor, bytes);
      if (!isDigest(reference)) this.#entries.tag(repo, reference, { digest: descriptor.digest, proved: true });
      return found;
    };
    if (options.fresh) return fetch(options);
    const tagged = isDigest(reference) ? undefined : this.#entries.tagged(repo, reference);
    const digest = isDigest(reference) ? reference : tagged?.proved ? tagged.digest : undefined;
    const known = digest && this.#entries.get("manifest", repo, digest);
    if (digest && known?.bytes) {
      const { mediaType, size, bytes } = known;
      return { descriptor: { mediaType, digest, size }, bytes: Buffer.from(bytes) };
    }
    const shared = this.#manifests.run(`${repo} ${reference}`, () => fetch({}));
    const { descriptor, bytes } = await abortable(shared, options.signal);
    return { descriptor: { ...descriptor }, bytes: Buffer.from(bytes) };
  }

  async resolveManifest(repo: RepoName, reference: Tag | Digest, options: CallOptions = {}): Promise<Descriptor> {
    const fetch = async (call: CallOptions): Promise<Descriptor> => {
      const found = await this.#inner.resolveManifest(repo, reference, call);
      this.#entries.set("manifest", repo, found);
      if (!isDigest(reference)) this.#entries.tag(repo, reference, { digest: found.digest, proved: false });
      return found;
    };
    if (options.fresh) return fetch(options);
    const digest = isDigest(reference) ? reference : this.#entries.tagged(repo, reference)?.digest;
    const known = digest && this.#entries.get("manifest", repo, digest);
    if (digest && known) return { mediaType: known.mediaType, digest, size: known.size };
    return this.#shared(`manifest ${repo} ${reference}`, fetch, options);
  }

  async resolveBlob(repo: RepoName, digest: Digest, options: CallOptions = {}): Promise<Descriptor> {
    const fetch = async (call: CallOptions): Promise<Descriptor> => {
      const found = await this.#inner.resolveBlob(repo, digest, call);
      this.#entries.set("blob", repo, found);
      return found;
    };
    if (options.fresh) return fetch(options);
    const known = this.#entries.get("blob", repo, digest);
    if (known) return { mediaType: known.mediaType, digest, size: known.size };
    return this.#shared(`blob ${repo} ${digest}`, fetch, options);
  }

  async #shared(
    key: string,
    fetch: (call: CallOptions) => Promise<Descriptor>,
    { signal }: CallOptions,
  ): Promise<Descriptor> {
    const shared = this.#answers.run(key, () => fetch({}));
    // A copy, since callers may change their answer.
    return { ...(await abortable(shared, signal)) };
  }

  async getBlob(repo: RepoName, blob: Digest | Expected, options: GetBlobOptions = {}): Promise<Content> {
    const expected = expectedOf(blob);
    const { digest } = expected;
    if (options.from || options.fresh) return this.#inner.getBlob(repo, blob, options);
    const what = `blob ${digest} of ${this.name}/${repo}`;
    const known = this.#entries.get("blob", repo, digest);
    if (known?.bytes) return bytesContent({ ...expected, size: expected.size ?? known.size }, known.bytes, what);
    const size = expected.size ?? known?.size;
    if (size !== undefined && size > this.#entries.maxItemBytes) return this.#inner.getBlob(repo, blob, options);
    let large: Content | undefined;
    const reading = this.#blobs.run(`${repo} ${digest}`, async () => {
      // By its digest alone, since each caller may expect another size.
      const content = await this.#inner.getBlob(repo, digest);
      const bytes = await this.#readSmall(repo, expected, content);
      // The content of a blob without a declared size has been read already, so it cannot be passed on.
      if (!bytes && content.descriptor.size !== undefined) large = content;
      return bytes;
    });
    try {
      const bytes = await abortable(reading, options.signal);
      if (bytes) return bytesContent({ ...expected, size: expected.size ?? bytes.length }, bytes, what);
    } catch (error) {
      // This caller was aborted, so nothing will read a large blob.
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

  /** Reads a blob into the cache; undefined where it is too large. */
  async #readSmall(repo: RepoName, expected: Expected, content: Content): Promise<Buffer | undefined> {
    const { digest, mediaType = mediaTypes.octetStream } = expected;
    const { size } = content.descriptor;
    const limit = this.#entries.maxItemBytes;
    if (size !== undefined && size > limit) {
      this.#entries.set("blob", repo, { mediaType, digest, size });
      return undefined;
    }
    try {
      const bytes = await content.bytes({ limit });
      this.#entries.set("blob", repo, { mediaType, digest, size: bytes.length }, bytes);
      return bytes;
    } catch (error) {
      if (size === undefined && isGantryError(error, "LIMIT_EXCEEDED")) return undefined;
      throw error;
    }
  }

  async getBlobRange(
    repo: RepoName,
    blob: Expected,
    range: ByteRange,
    options: CallOptions = {},
  ): Promise<RangeContent> {
    const bytes = options.fresh ? undefined : this.#entries.get("blob", repo, blob.digest)?.bytes;
    if (!bytes) return this.#inner.getBlobRange(repo, blob, range, options);
    requireRange(blob.digest, range, bytes.length);
    const { start, end } = range;
    return Object.assign(bytesBody(Buffer.from(bytes.subarray(start, end))), { start, end });
  }
}
