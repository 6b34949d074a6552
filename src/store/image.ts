import type { Limits } from "../base/limits.ts";
import type { BlobDirectory } from "../content/blob-directory.ts";
import { childrenHandler } from "../images/children.ts";
import type { GraphOptions } from "../images/graph.ts";
import { type Handler, walk } from "../images/handlers.ts";
import { Image } from "../images/image.ts";
import type { Digest } from "../spec/digest.ts";
import type { Descriptor, Platform } from "../spec/types.ts";
import type { StoredImage } from "./images.ts";

/** A blob of an image that is not in the store. */
export interface MissingBlob {
  readonly descriptor: Descriptor;
  /** The document that lists it; undefined for the target itself. */
  readonly parent?: Digest | undefined;
}

export interface ImageCheck {
  /** No blob is missing. The children of a missing document are unknown. */
  readonly complete: boolean;
  readonly missing: readonly MissingBlob[];
}

/**
 * An image of a store: the target of a name, and the blobs to read it from (`provider`). `config()`, `rootFS()` and
 * `size()` are those of {@link Image}.
 */
export class StoreImage extends Image {
  /** The record of the name at the time of the look-up. */
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
   * Looks for every blob of the image once: for all platforms, or only for the image's platform where it has one.
   * Layers that may be fetched from elsewhere (`urls`) may be missing. Documents are read and verified; of other blobs
   * only existence and size are checked.
   * @throws PLATFORM_NOT_FOUND, and what a damaged document throws
   */
  async check(options: GraphOptions = {}): Promise<ImageCheck> {
    const limits = options.limits ?? this.#limits;
    const platforms = this.platform && [this.platform];
    const children = childrenHandler(this.#blobs, { platforms, limits });
    const missing: MissingBlob[] = [];
    const parents = new Map<Digest, Digest>();
    const look: Handler = async (descriptor, context) => {
      const { digest, urls } = descriptor;
      if ((urls?.length ?? 0) > 0) return [];
      if (!(await this.#blobs.has(descriptor))) {
        missing.push({ descriptor, parent: parents.get(digest) });
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
