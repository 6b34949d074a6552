import { isGantryError } from "../base/error.ts";
import { parseRef, parseTag, Reference } from "../reference/reference.ts";
import type { ImageStore, StoredImage } from "./images.ts";

/**
 * The image with exactly the given name, since a store accepts any name; else the image with the name in full, as a
 * pull writes it.
 * @throws IMAGE_NOT_FOUND
 */
export async function findImage(images: ImageStore, given: string): Promise<StoredImage> {
  try {
    return await images.get(given);
  } catch (error) {
    const full = isGantryError(error, "IMAGE_NOT_FOUND") ? fullName(given) : undefined;
    if (full === undefined || full === given) throw error;
    return images.get(full);
  }
}

/** The name that a reference gets in a store: with its host, and with `latest` where it has neither tag nor digest. */
export function storeName(reference: Reference): string {
  const full = reference.tag || reference.digest ? reference : new Reference({ ...reference, tag: parseTag("latest") });
  return full.toFullString();
}

/** `docker.io/library/alpine:latest` for `alpine`; undefined for a name that is not a reference. */
function fullName(given: string): string | undefined {
  try {
    return storeName(parseRef(given));
  } catch (error) {
    if (isGantryError(error)) return undefined;
    throw error;
  }
}
