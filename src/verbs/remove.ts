import { GantryError, isGantryError } from "../base/error.ts";
import type { Tag } from "../reference/reference.ts";
import { type Digest, isDigest } from "../spec/digest.ts";
import { storeName } from "../store/find.ts";
import {
  asLocation,
  type LayoutLocation,
  type Location,
  type RegistryLocation,
  type StoreLocation,
} from "./location.ts";
import type { LookOptions } from "./look.ts";
import { type Opened, open } from "./open.ts";
import { holdStore } from "./options.ts";

/**
 * Deletes a tag, or, where the location names a digest, a manifest with every tag that leads to it. Blobs stay until
 * the registry collects its garbage. Of an image in the store only the name is deleted.
 * @throws UNSUPPORTED where the registry does not support it, MANIFEST_UNKNOWN, IMAGE_NOT_FOUND, USAGE
 */
export async function remove(location: string | Location, options: LookOptions = {}): Promise<void> {
  const parsed = asLocation(location);
  if (parsed.kind === "store") return await removeName(parsed, options);
  const reference = namedBy(parsed);
  await using opened = open(parsed, options);
  const { registry, repo } = opened;
  const { signal } = options;
  if (isDigest(reference)) await registry.deleteManifest(repo, reference, { signal });
  else await deleteTag(opened, reference, options);
}

/** The tag or the digest of a location, which must have one: a delete never assumes `latest`. @throws USAGE */
function namedBy(location: RegistryLocation | LayoutLocation): Tag | Digest {
  const { text } = location;
  const parts =
    location.kind === "registry" ? [location.reference.tag, location.reference.digest] : [location.reference];
  const [named, other] = parts.filter((part) => part !== undefined);
  if (named === undefined) throw new GantryError("USAGE", `${text}: name the tag or the digest to remove`);
  if (other === undefined) return named;
  throw new GantryError(
    "USAGE",
    `${text}: name either the tag or the digest; by digest every tag of the manifest is deleted too`,
  );
}

async function deleteTag({ kind, registry, repo }: Opened, tag: Tag, { signal }: LookOptions): Promise<void> {
  try {
    await registry.deleteTag(repo, tag, { signal });
  } catch (error) {
    if (!isGantryError(error, "UNSUPPORTED") || kind !== "registry") throw error;
    throw new GantryError(
      "UNSUPPORTED",
      `${error.message}; the registry does not allow deleting tags, and deleting the manifest by its digest removes every tag of it`,
      { cause: error },
    );
  }
}

/** Deletes exactly this name from the store, else the name in full. Blobs stay until garbage is collected. */
async function removeName({ text, name, reference, fault }: StoreLocation, options: LookOptions): Promise<void> {
  await using held = holdStore(options);
  const { images } = held.store;
  const exact = await images.get(name).catch((error: unknown) => {
    if (!isGantryError(error, "IMAGE_NOT_FOUND")) throw error;
    return undefined;
  });
  if (exact) return await images.delete(exact.name);
  if (!reference) throw new GantryError("INVALID_REFERENCE", String(fault));
  if (reference.tag === undefined && reference.digest === undefined) {
    throw new GantryError("USAGE", `${text}: name the tag to remove; the store has no image of exactly this name`);
  }
  await images.delete(storeName(reference));
}
