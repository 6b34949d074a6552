import { lstatSync } from "node:fs";
import { isGantryError } from "../base/error.ts";
import { defaultLimits, type Limits } from "../base/limits.ts";
import type { BlobDirectory } from "../content/blob-directory.ts";
import { childrenOf, isDocument } from "../images/graph.ts";
import { formatFullPlatform } from "../images/platform.ts";
import { isAttestation } from "../images/select.ts";
import { type Document, decodeDocument, decodeImage } from "../spec/decode.ts";
import { algorithmOf, type Digest, digestOf } from "../spec/digest.ts";
import { isConfigType } from "../spec/media-types.ts";
import type { Descriptor } from "../spec/types.ts";
import { readSmallFileSync } from "../sys/regular-file.ts";

/** How much of an image is on this host. */
export interface Presence {
  /** `partial`: some blobs are missing. `absent`: the manifest or index itself is missing. */
  readonly state: "complete" | "partial" | "absent";
  /** The platforms that are complete here. */
  readonly platforms: readonly string[];
  /** The bytes of the existing blobs; a blob that is listed twice counts once. */
  readonly size: number;
}

/** A missing blob that an existing document lists. */
export interface Missing {
  readonly descriptor: Descriptor;
  readonly parent: Digest;
  readonly platform?: string | undefined;
}

/**
 * Reads and verifies a document of a store. Synchronous, which is faster for many small files.
 * @returns undefined for a document that is missing, damaged or too large
 */
export function readBytes(blobs: BlobDirectory, digest: Digest, limits: Limits): Buffer | undefined {
  const path = blobs.path(digest);
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (!found?.isFile() || found.size > limits.metadataBytes) return undefined;
  const bytes = readSmallFileSync(path, { limit: limits.metadataBytes });
  return bytes && digestOf(bytes, algorithmOf(digest)) === digest ? bytes : undefined;
}

/** As {@link readBytes}, with the size that a descriptor states. */
function readStored(blobs: BlobDirectory, { digest, size }: Descriptor, limits: Limits): Buffer | undefined {
  const bytes = readBytes(blobs, digest, limits);
  return bytes?.length === size ? bytes : undefined;
}

/** Finds out how much of each image is on this host, from its documents and one listing of the blobs. */
export class PresenceScan {
  readonly #blobs: BlobDirectory;
  readonly #here: ReadonlySet<string>;
  readonly #limits: Limits;

  /** @param here the blobs that count as existing */
  constructor(blobs: BlobDirectory, here: ReadonlySet<string>, limits: Limits = defaultLimits) {
    this.#blobs = blobs;
    this.#here = here;
    this.#limits = limits;
  }

  /** @returns also the missing blobs of existing manifests; missing manifests of an index are not among them */
  examine(target: Descriptor): Presence & { readonly missing: readonly Missing[] } {
    const missing: Missing[] = [];
    const counted = new Map<Digest, number>();
    const platforms: string[] = [];
    const seen = new Map<Digest, boolean>();
    const visit = (descriptor: Descriptor, platform: string | undefined): boolean => {
      const known = seen.get(descriptor.digest);
      if (known !== undefined) return known;
      // A document that leads back to itself is complete if its other children are.
      seen.set(descriptor.digest, true);
      const complete = look(descriptor, platform);
      seen.set(descriptor.digest, complete);
      return complete;
    };
    const look = (descriptor: Descriptor, platform: string | undefined): boolean => {
      const { digest, size } = descriptor;
      if (!this.#here.has(digest)) return false;
      counted.set(digest, size);
      if (!isDocument(descriptor)) return true;
      const document = this.#read(descriptor);
      if (!document) return false;
      if (document.kind === "index") {
        const states = document.index.manifests.map((entry) => {
          const own = entry.platform && !isAttestation(entry) ? formatFullPlatform(entry.platform) : platform;
          const whole = visit(entry, own);
          if (whole && entry.platform && !isAttestation(entry)) platforms.push(own!);
          return whole;
        });
        return states.every(Boolean);
      }
      let whole = true;
      for (const child of childrenOf(document)) {
        // A layer that may be fetched from elsewhere may be missing.
        if ((child.urls?.length ?? 0) > 0 || visit(child, platform)) continue;
        whole = false;
        missing.push({ descriptor: child, parent: digest, platform });
      }
      if (whole && descriptor === target) platforms.push(...this.#platformOf(document.manifest.config));
      return whole;
    };
    const whole = visit(target, undefined);
    const here = this.#here.has(target.digest);
    const bytes = [...counted.values()].reduce((sum, size) => sum + size, 0);
    const state = !here ? "absent" : whole ? "complete" : "partial";
    return { state, platforms: [...new Set(platforms)], size: bytes, missing };
  }

  #read(descriptor: Descriptor): Document | undefined {
    const bytes = readStored(this.#blobs, descriptor, this.#limits);
    try {
      return bytes && decodeDocument(bytes, descriptor.mediaType, `manifest ${descriptor.digest}`, this.#limits);
    } catch (error) {
      if (isGantryError(error)) return undefined;
      throw error;
    }
  }

  #platformOf(config: Descriptor): string[] {
    const bytes = isConfigType(config.mediaType) ? readStored(this.#blobs, config, this.#limits) : undefined;
    try {
      return bytes ? [formatFullPlatform(decodeImage(bytes, `config ${config.digest}`, this.#limits))] : [];
    } catch (error) {
      if (isGantryError(error)) return [];
      throw error;
    }
  }
}
