import { isGantryError } from "../base/error.ts";
import type { RepoName } from "../reference/reference.ts";
import type { Descriptor } from "../spec/types.ts";
import type { PushBlobOptions, RegistryWriter } from "./registry.ts";

/** Tries to mount a blob before it is pushed. @returns false where its bytes must be sent */
export async function mountInstead(
  registry: Pick<RegistryWriter, "mountBlob">,
  repo: RepoName,
  { digest }: Descriptor,
  { mountFrom, signal }: PushBlobOptions,
): Promise<boolean> {
  if (mountFrom === undefined || mountFrom === repo) return false;
  try {
    await registry.mountBlob(mountFrom, repo, digest, { signal });
    return true;
  } catch (error) {
    if (isGantryError(error, "BLOB_UNKNOWN", "NAME_UNKNOWN", "UNSUPPORTED", "DENIED")) return false;
    throw error;
  }
}
