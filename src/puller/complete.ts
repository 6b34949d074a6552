import { isGantryError } from "../base/error.ts";
import { type GraphOptions, readDocument } from "../images/graph.ts";
import { manifestForPlatform } from "../images/select.ts";
import type { Descriptor, Platform } from "../spec/types.ts";
import type { Store } from "../store/store.ts";

export interface StoredImageOptions extends GraphOptions {
  readonly store: Store;
  readonly name: string;
}

/** Whether a store has a name and, for one platform (default: the host's), every blob of its image. */
export async function isComplete(
  options: StoredImageOptions & { readonly platform?: Platform | undefined },
): Promise<boolean> {
  const { store, name } = options;
  try {
    const { target } = await store.images.get(name);
    const { manifest } = await manifestForPlatform(store.blobs, target, options);
    for (const blob of [manifest.config, ...manifest.layers]) if (!(await store.blobs.has(blob))) return false;
    return true;
  } catch (error) {
    if (
      isGantryError(error, "IMAGE_NOT_FOUND", "BLOB_UNKNOWN", "MANIFEST_UNKNOWN", "SIZE_MISMATCH", "PLATFORM_NOT_FOUND")
    )
      return false;
    throw error;
  }
}

/** The entries of an image's index whose manifests the store does not have; none for a single manifest. */
export async function missingManifests(options: StoredImageOptions): Promise<readonly Descriptor[]> {
  const { store, name } = options;
  const { target } = await store.images.get(name);
  const { document } = await readDocument(store.blobs, target, options);
  if (document.kind === "manifest") return [];
  const missing: Descriptor[] = [];
  for (const entry of document.index.manifests) if (!(await store.blobs.has(entry))) missing.push(entry);
  return missing;
}
