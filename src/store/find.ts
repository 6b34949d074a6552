import { isGantryError } from "../base/error.ts";
import { parseRef, parseTag, Reference } from "../reference/reference.ts";
import type { ImageStore, StoredImage } from "./images.ts";

/**
 * The image that a user means: the name as it is given, since a store takes any; else the name in full, as a pull
 * gives it.
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

/** `docker.io/library/alpine:latest` for `alpine`; undefined for what is no reference. */
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
