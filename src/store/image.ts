import type { Limits } from "../base/limits.ts";
import type { BlobDirectory } from "../content/blob-directory.ts";
import { childrenHandler } from "../images/children.ts";
import type { GraphOptions } from "../images/graph.ts";
import { type Handler, walk } from "../images/handlers.ts";
import { Image } from "../images/image.ts";
import type { Digest } from "../spec/digest.ts";
import type { Descriptor, Platform } from "../spec/types.ts";
import type { StoredImage } from "./images.ts";

/** Something of an image that is not in the store. */
export interface MissingBlob {
  readonly descriptor: Descriptor;
  /** The document that lists it; absent for the target itself. */
  readonly parent?: Digest | undefined;
}

export interface ImageCheck {
  /** Nothing is missing, as far as could be seen: what a document that is missing leads to is not known. */
  readonly complete: boolean;
  readonly missing: readonly MissingBlob[];
}

/**
 * An image of a store: what a name stands for, and the blobs to read it from (`provider`). `config()`, `rootFS()` and
 * `size()` are those of {@link Image}.
 */
export class StoreImage extends Image {
  /** The record of the name, as it was when it was looked up. */
  readonly stored: StoredImage;
  readonly #blobs: BlobDirectory;
  readonly #limits: Limits;

  constructor(
    blobs: BlobDirectory,
    stored: StoredImage,
    options: { readonly limits: Limits; readonly platform?: Platform | undefined },
  ) {
    super(blobs, stored.target, { platform: options.platform });
    this.stored = stored;
    this.#blobs = blobs;
    this.#limits = options.limits;
  }

  /** The name in the store. */
  get name(): string {
    return this.stored.name;
  }

  /**
   * Looks for every blob of the image, each once: of all platforms, or of the image's own where it has one. Layers that
   * may be fetched from elsewhere (`urls`) need not be here. Documents are read and verified, other blobs are looked for
   * by digest and size.
   * @throws what a document that is damaged throws; PLATFORM_NOT_FOUND
   */
  async check(options: GraphOptions = {}): Promise<ImageCheck> {
    const limits = options.limits ?? this.#limits;
    const children = childrenHandler(this.#blobs, { ...(this.platform && { platforms: [this.platform] }), limits });
    const missing: MissingBlob[] = [];
    const parents = new Map<Digest, Digest>();
    const look: Handler = async (descriptor, context) => {
      const { digest, urls } = descriptor;
      if ((urls?.length ?? 0) > 0) return [];
      if (!(await this.#blobs.has(descriptor))) {
        const parent = parents.get(digest);
        missing.push(parent === undefined ? { descriptor } : { descriptor, parent });
        return [];
      }
      const found = (await children(descriptor, context)) ?? [];
      for (const child of found) if (!parents.has(child.digest)) parents.set(child.digest, digest);
      return found;
    };
    await walk(look, this.target, { ...options, limits });
    return { complete: missing.length === 0, missing };
  }
}
