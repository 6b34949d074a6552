import { isGantryError } from "../base/error.ts";
import type { Limits } from "../base/limits.ts";
import { readDocument } from "../images/graph.ts";
import { hostPlatform } from "../images/platform.ts";
import { manifestForPlatform, type PlatformChoice } from "../images/select.ts";
import type { Descriptor, Platform } from "../spec/types.ts";
import { repositoryOf } from "../store/repository-names.ts";
import type { Store } from "../store/store.ts";
import { type CopyResult, copyImage } from "../transfer/copy.ts";
import { registryReference, storeName } from "./names.ts";
import { open } from "./open.ts";
import { holdStore, type VerbOptions } from "./options.ts";

export interface PullOptions extends VerbOptions {
  /** Default: the host's platform. */
  readonly platforms?: PlatformChoice | undefined;
  readonly parallel?: number | undefined;
}

export interface PullResult extends CopyResult {
  /** The name in the store: the reference in full. */
  readonly name: string;
}

/**
 * Brings an image from a registry into a store, verified. The name is set last; when anything fails, no name is, and
 * what did arrive whole stays for the next try.
 */
export async function pull(location: string, options: PullOptions = {}): Promise<PullResult> {
  const { platforms = [hostPlatform()], parallel, signal, progress, limits } = options;
  const reference = registryReference(location);
  const name = storeName(reference);
  await using held = holdStore(options);
  const { store } = held;
  await using source = open(location, options);
  // Before anything is asked of anybody: a store that cannot take the image says so.
  await store.prepare();
  const registry = store.writer(`pull ${name}`);
  try {
    const destination = { registry, repo: repositoryOf(reference), name };
    const preferred = options.platforms === undefined;
    const copying = { platforms, preferred, partial: "index", parallel, signal, progress, limits } as const;
    const result = await copyImage(source, destination, copying);
    // The disk has every blob before anything can lead to it.
    await store.blobs.sync();
    await store.images.set(name, result.descriptor);
    await registry.checkLease();
    return { name, ...result };
  } finally {
    await registry.release();
  }
}

/** True where the store has a name and, for one platform, everything that it stands for. */
export async function isComplete(
  store: Store,
  name: string,
  options: { readonly platform?: Platform | undefined; readonly limits?: Limits | undefined } = {},
): Promise<boolean> {
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

/** The platforms of an index in a store whose manifests are missing. */
export async function missingManifests(store: Store, name: string): Promise<readonly Descriptor[]> {
  const { target } = await store.images.get(name);
  const { document } = await readDocument(store.blobs, target);
  if (document.kind === "manifest") return [];
  const missing: Descriptor[] = [];
  for (const entry of document.index.manifests) if (!(await store.blobs.has(entry))) missing.push(entry);
  return missing;
}
