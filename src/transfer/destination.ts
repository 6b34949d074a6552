import type { OperationOptions } from "../base/progress.ts";
import type { RepoName, Tag } from "../reference/reference.ts";
import type { BlobVerifier } from "../registry/blob-verifier.ts";
import type { RegistryReader, RegistryWriter } from "../registry/registry.ts";
import type { Digest } from "../spec/digest.ts";
import type { Descriptor } from "../spec/types.ts";

/** Where an image is copied to, in an opened registry. */
export interface ImageDestination {
  /** Damaged blobs are replaced in a registry that can hash its own blobs. In any other, existing blobs are trusted. */
  readonly registry: RegistryReader & RegistryWriter & Partial<BlobVerifier>;
  readonly repo: RepoName;
  /** Undefined for an image that gets no tag. A digest must be the one of the image. */
  readonly reference?: Tag | Digest | undefined;
  /** Names the destination in errors: the location as the user wrote it. */
  readonly name: string;
}

/** Whether the destination's bytes of a blob do not have its digest. If so, warns that the blob is copied again. */
export async function warnIfDamaged(
  { registry }: ImageDestination,
  blob: Descriptor,
  options: OperationOptions,
): Promise<boolean> {
  if ((await registry.verifyBlob?.(blob, options)) !== false) return false;
  const text = `the blob ${blob.digest} in ${registry.name} is damaged; it is copied again`;
  options.progress?.({ type: "message", level: "warning", text });
  return true;
}
