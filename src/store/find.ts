import { isGantryError } from "../base/error.ts";
import { parseRef, parseTag, Reference } from "../reference/reference.ts";
import type { ImageStore, StoredImage } from "./images.ts";

/**
 * The image that a user means: the one of exactly this name, since a store accepts any name; else the one of the name in
 * full, as a pull writes it.
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

/** `docker.io/library/alpine:latest` for `alpine`; undefined for a name that is no reference. */
function fullName(given: string): string | undefined {
  try {
    const reference = parseRef(given);
    const named = reference.tag !== undefined || reference.digest !== undefined;
    return (named ? reference : new Reference({ ...reference, tag: parseTag("latest") })).toFullString();
  } catch (error) {
    if (isGantryError(error)) return undefined;
    throw error;
  }
}
