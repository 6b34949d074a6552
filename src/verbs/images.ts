import { GantryError } from "../base/error.ts";
import type { StoredImage } from "../store/images.ts";
import type { Presence } from "../store/presence.ts";
import type { Store } from "../store/store.ts";
import { asStoreLocation, type Location } from "./location.ts";

/** An image of the store, and how much of it is on this host. Times are RFC 3339. */
export interface ListedImage extends Omit<StoredImage, "createdAt" | "updatedAt"> {
  readonly createdAt: string;
  readonly updatedAt: string;
  readonly here: Presence;
}

/** The images of a store in the order of their names. @throws INVALID_FILTER */
export async function listImages(store: Store, filters: readonly string[] = []): Promise<readonly ListedImage[]> {
  const images = await store.images.list(...filters);
  const presence = await store.presence(images.map(({ target }) => target));
  return images.map((image, at) => ({
    ...image,
    createdAt: image.createdAt.toISOString(),
    updatedAt: image.updatedAt.toISOString(),
    here: presence[at]!,
  }));
}

/** Finds an image by exactly the name that was given, else by the name in full. @throws IMAGE_NOT_FOUND, USAGE */
export async function findImage(store: Store, location: string | Location): Promise<StoredImage> {
  return store.find(asStoreLocation(location).name);
}

/** Sets labels, `KEY=VALUE` each; `KEY=` removes one. @throws IMAGE_NOT_FOUND, USAGE, INVALID_IMAGE */
export async function labelImage(
  store: Store,
  location: string | Location,
  labels: readonly string[],
): Promise<StoredImage> {
  const pairs = labels.map((label): [string, string] => {
    const at = label.indexOf("=");
    if (at <= 0)
      throw new GantryError(
        "USAGE",
        `${JSON.stringify(label)} is not a label; expected KEY=VALUE, or KEY= to remove it`,
      );
    return [label.slice(0, at), label.slice(at + 1)];
  });
  const image = await findImage(store, location);
  if (pairs.length === 0) return image;
  const fields = pairs.map(([key]) => `labels.${key}` as const);
  return store.images.update({ ...image, labels: Object.fromEntries(pairs) }, ...fields);
}

/** Deletes names, after all of them were found. @returns the names as stored @throws IMAGE_NOT_FOUND */
export async function removeImages(store: Store, given: readonly (string | Location)[]): Promise<readonly string[]> {
  const names = new Set<string>();
  for (const name of given) names.add((await findImage(store, name)).name);
  for (const name of names) await store.images.delete(name);
  return [...names];
}
