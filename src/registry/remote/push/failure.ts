import { type GantryError, isGantryError } from "../../../base/error.ts";
import type { UploadProgress } from "./after-failure.ts";

/**
 * What a failed request of an upload means:
 * - `whole only`: the registry takes no PATCH;
 * - `too large`: the request was refused for its size (413); the registry keeps the bytes that it had;
 * - `forgotten`: the registry has dropped the upload, or at the end its bytes have another digest or size;
 * - `interrupted`: a retry may succeed, from the position that the registry reports;
 * - `final`: a retry would fail in the same way.
 */
export type UploadFailure = "whole only" | "too large" | "forgotten" | "interrupted" | "final";

/** @param progress of the upload before the request */
export function failureOf(error: unknown, { offset, size }: UploadProgress): UploadFailure {
  if (isGantryError(error, "UNSUPPORTED") && offset === 0) return "whole only";
  if (statusOf(error) === 413) return "too large";
  if (isGantryError(error, "BLOB_UPLOAD_UNKNOWN", "BLOB_UPLOAD_INVALID")) return "forgotten";
  if (isGantryError(error, "RANGE_INVALID", "DIGEST_MISMATCH", "SIZE_MISMATCH")) {
    return offset >= size ? "forgotten" : "interrupted";
  }
  return isTransient(error) ? "interrupted" : "final";
}

/** Whether the same request may succeed a little later. */
export function isTransient(error: unknown): error is GantryError {
  return (
    isGantryError(error, "CONNECTION_FAILED", "TIMEOUT", "TOO_MANY_REQUESTS", "UNAUTHORIZED") || isServerError(error)
  );
}

/** Whether the registry may still be processing the request. */
export function isUndecided(error: unknown): boolean {
  return isGantryError(error, "CONNECTION_FAILED", "TIMEOUT") || isServerError(error);
}

/** The HTTP status of the answer that an error is about; undefined where there was no answer. */
export function statusOf(error: unknown): number | undefined {
  const status = isGantryError(error) ? error.details["status"] : undefined;
  return typeof status === "number" ? status : undefined;
}

const isServerError = (error: unknown): error is GantryError =>
  isGantryError(error, "REGISTRY_ERROR") && (statusOf(error) ?? 0) >= 500;
