import { isGantryError, withOrigin } from "../base/error.ts";
import type { OperationOptions } from "../base/progress.ts";
import type { BlobSource } from "../content/source.ts";
import type { Descriptor } from "../spec/types.ts";
import { type ImageDestination, warnIfDamaged } from "./destination.ts";
import type { ImageSource } from "./plan.ts";

/**
 * Copies one blob. A blob that the destination already has is skipped; within one registry it is mounted. `origin` of
 * an error names its side.
 */
export async function copyBlob(
  source: ImageSource,
  destination: ImageDestination,
  blob: Descriptor,
  options: OperationOptions,
): Promise<"done" | "exists" | "mounted"> {
  const { signal, progress } = options;
  const { registry, repo } = destination;
  if (await withOrigin("destination", () => exists(destination, blob, options))) return "exists";
  const mountFrom = source.registry.name === registry.name && source.repo !== repo ? source.repo : undefined;
  let opened = false;
  let done = 0;
  const onBytes = (count: number): void => {
    done += count;
    progress?.({ type: "advance", id: blob.digest, done });
  };
  const from: BlobSource = {
    replayable: true,
    open: async (open = {}) => {
      opened = true;
      const content = await withOrigin("source", () => source.registry.getBlob(source.repo, blob, open));
      done = content.start;
      return content.observe({ origin: "source", onBytes });
    },
  };
  try {
    await withOrigin("destination", () => registry.pushBlob(repo, blob, from, { signal, mountFrom }));
  } catch (error) {
    // A source may lack a layer that has URLs to fetch it from.
    if (!blob.urls?.length || !isGantryError(error, "BLOB_UNKNOWN") || error.origin !== "source") throw error;
    return "exists";
  }
  return mountFrom !== undefined && !opened ? "mounted" : "done";
}

/** Whether the destination has a blob, with the right size and undamaged as far as it can check. */
async function exists(destination: ImageDestination, blob: Descriptor, options: OperationOptions): Promise<boolean> {
  const { registry, repo } = destination;
  try {
    const { size } = await registry.resolveBlob(repo, blob.digest, { signal: options.signal });
    if (size !== blob.size) return false;
  } catch (error) {
    if (isGantryError(error, "BLOB_UNKNOWN", "NAME_UNKNOWN")) return false;
    throw error;
  }
  return !(await warnIfDamaged(destination, blob, options));
}
