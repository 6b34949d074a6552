import type { Content, Expected } from "../content/content.ts";
import { bytesContent, type Provider } from "../content/source.ts";
import { isDocument } from "../images/graph.ts";
import type { RepoName, Tag } from "../reference/reference.ts";
import type { Digest } from "../spec/digest.ts";
import { isConfigType } from "../spec/media-types.ts";
import { providerOf } from "./provider.ts";
import type { CallOptions, RegistryReader, StoredManifest } from "./registry.ts";

/** The most bytes that are kept. Documents beyond this are fetched each time they are read. */
const MAX_BYTES = 32 << 20;
/** The largest configuration that is kept, in bytes. */
const MAX_CONFIG = 1 << 20;

/**
 * Reads the documents of one image from a repository: its indexes, manifests and configurations. Each document is
 * fetched once and kept as long as the reader, so use one reader for one operation.
 */
export class ImageReader implements Provider {
  readonly #registry: RegistryReader;
  readonly #repo: RepoName;
  readonly #provider: Provider;
  readonly #kept = new Map<string, Buffer>();
  #bytes = 0;

  constructor(registry: RegistryReader, repo: RepoName) {
    this.#registry = registry;
    this.#repo = repo;
    this.#provider = providerOf(registry, repo);
  }

  /** Asks the registry, and keeps the manifest. @throws what the registry throws */
  async getManifest(reference: Tag | Digest, options?: CallOptions): Promise<StoredManifest> {
    const found = await this.#registry.getManifest(this.#repo, reference, options);
    this.#keep(found.descriptor.digest, found.bytes);
    return found;
  }

  async read(descriptor: Expected, options?: { readonly signal?: AbortSignal | undefined }): Promise<Content> {
    const { digest, size, mediaType = "" } = descriptor;
    const what = `${digest} of ${this.#registry.name}/${this.#repo}`;
    const kept = this.#kept.get(digest);
    if (kept) return bytesContent(descriptor, kept, what);
    const content = await this.#provider.read(descriptor, options);
    const isConfig = isConfigType(mediaType) && size !== undefined && size <= MAX_CONFIG;
    if (!isConfig && !isDocument({ mediaType })) return content;
    // The size is bounded already: of documents by the registry, of configurations above.
    const bytes = await content.bytes({ ...options, limit: Number.MAX_SAFE_INTEGER });
    this.#keep(digest, bytes);
    return bytesContent(descriptor, bytes, what);
  }

  #keep(digest: Digest, bytes: Buffer): void {
    if (this.#kept.has(digest) || this.#bytes + bytes.length > MAX_BYTES) return;
    this.#kept.set(digest, bytes);
    this.#bytes += bytes.length;
  }
}
