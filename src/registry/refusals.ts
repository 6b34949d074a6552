import { GantryError } from "../base/error.ts";
import type { ByteRange } from "./registry.ts";

// The errors that every implementation of a registry throws.

export function unsupported(registry: string, what: string): GantryError<"UNSUPPORTED"> {
  return new GantryError("UNSUPPORTED", `${registry} does not support ${what}`);
}

export function manifestUnknown(registry: string, repo: string, reference: string): GantryError<"MANIFEST_UNKNOWN"> {
  return new GantryError("MANIFEST_UNKNOWN", `${registry}/${repo}: there is no manifest ${reference}`, {
    details: { registry, repo, reference },
  });
}

export function blobUnknown(registry: string, repo: string, digest: string): GantryError<"BLOB_UNKNOWN"> {
  return new GantryError("BLOB_UNKNOWN", `${registry}/${repo}: there is no blob ${digest}`, {
    details: { registry, repo, digest },
  });
}

export function repositoryUnknown(registry: string, repo: string): GantryError<"NAME_UNKNOWN"> {
  return new GantryError("NAME_UNKNOWN", `${registry}: there is no repository ${repo}`, {
    details: { registry, repo },
  });
}

export function uploadUnknown(registry: string, repo: string): GantryError<"BLOB_UPLOAD_UNKNOWN"> {
  return new GantryError("BLOB_UPLOAD_UNKNOWN", `${registry}/${repo}: there is no such upload; start a new one`);
}

/** A manifest cannot be stored before the blobs and manifests that it refers to. */
export function missingChildren(
  registry: string,
  repo: string,
  missing: readonly string[],
): GantryError<"MANIFEST_BLOB_UNKNOWN"> {
  return new GantryError(
    "MANIFEST_BLOB_UNKNOWN",
    `${registry}/${repo}: the manifest refers to ${missing.length} missing blobs or manifests: ${missing.join(", ")}`,
    { details: { missing } },
  );
}

export function rangeInvalid(what: string, start: number, end: number, size: number): GantryError<"RANGE_INVALID"> {
  return new GantryError(
    "RANGE_INVALID",
    `${what}: bytes ${start} to ${end} (exclusive) are not a range of its ${size} bytes`,
  );
}

/** @throws RANGE_INVALID where the range is empty or not within `size` bytes */
export function requireRange(what: string, { start, end }: ByteRange, size: number): void {
  if (!(start >= 0 && start < end && end <= size)) throw rangeInvalid(what, start, end, size);
}
