/**
 * Every error code of gantry, by the room that throws it, and the exit code of the command for each.
 * This is the one table; nothing else decides an exit code.
 */

/** The exit codes of the command: 1 failed, 2 usage, 3 not found, 4 not authorised, 5 verification failed, 6 limit exceeded. */
export type ExitCode = 1 | 2 | 3 | 4 | 5 | 6;

type BaseErrorCode = "LIMIT_EXCEEDED" | "USAGE" | "UNSUPPORTED" | "INTERNAL";
type SysErrorCode = "NO_SPACE" | "FILE_SYSTEM" | "LOCK_TIMEOUT" | "LOCK_LOST" | "NATIVE_UNAVAILABLE" | "LINK_LOOP";
type SpecErrorCode =
  | "INVALID_DIGEST"
  | "UNSUPPORTED_ALGORITHM"
  | "INVALID_DOCUMENT"
  | "AMBIGUOUS_DOCUMENT"
  | "UNSUPPORTED_MEDIA_TYPE"
  | "INVALID_PLATFORM";
type ReferenceErrorCode = "INVALID_REFERENCE";
type ContentErrorCode =
  | "DIGEST_MISMATCH"
  | "SIZE_MISMATCH"
  | "TRANSFER_INTERRUPTED"
  | "TRANSFER_RESTARTED"
  | "CONTENT_USED"
  | "NOT_REGULAR_FILE";
type CompressionErrorCode = "UNSUPPORTED_COMPRESSION" | "INVALID_COMPRESSION";
type TarErrorCode = "INVALID_TAR" | "UNSUPPORTED_TAR";
type TransportErrorCode =
  | "CONNECTION_FAILED"
  | "TIMEOUT"
  | "TLS_FAILED"
  | "REDIRECT_REFUSED"
  | "INVALID_RESPONSE"
  | "REGISTRY_ERROR"
  | "TOO_MANY_REQUESTS";
/** The codes of the distribution specification that gantry acts on, by their wire names. */
type RegistryErrorCode =
  | "BLOB_UNKNOWN"
  | "BLOB_UPLOAD_INVALID"
  | "BLOB_UPLOAD_UNKNOWN"
  | "MANIFEST_BLOB_UNKNOWN"
  | "MANIFEST_INVALID"
  | "MANIFEST_UNKNOWN"
  | "NAME_INVALID"
  | "NAME_UNKNOWN"
  | "RANGE_INVALID"
  | "UNAUTHORIZED"
  | "DENIED";
type ConfigErrorCode = "CONFIG_INVALID" | "HELPER_FAILED";
type ImageErrorCode = "PLATFORM_NOT_FOUND" | "PLATFORM_REQUIRED" | "NOT_AN_IMAGE" | "INCOMPLETE_IMAGE";
type LayerErrorCode = "DIFF_ID_MISMATCH" | "INVALID_LAYER" | "TARGET_NOT_EMPTY" | "WORKER_FAILED";
type StoreErrorCode =
  | "STORE_NOT_FOUND"
  | "STORE_VERSION"
  | "STORE_INVALID"
  | "STORE_DAMAGED"
  | "STORE_DATABASE"
  | "DATABASE_FAILED"
  | "IMAGE_NOT_FOUND"
  | "IMAGE_EXISTS"
  | "INVALID_IMAGE"
  | "INVALID_FILTER"
  | "INVALID_NAMESPACE";

export type ErrorCode =
  | BaseErrorCode
  | SysErrorCode
  | SpecErrorCode
  | ReferenceErrorCode
  | ContentErrorCode
  | CompressionErrorCode
  | TarErrorCode
  | TransportErrorCode
  | RegistryErrorCode
  | ConfigErrorCode
  | ImageErrorCode
  | LayerErrorCode
  | StoreErrorCode;

export const exitCodes: Readonly<Record<ErrorCode, ExitCode>> = {
  LIMIT_EXCEEDED: 6,
  USAGE: 2,
  UNSUPPORTED: 1,
  INTERNAL: 1,
  NO_SPACE: 1,
  FILE_SYSTEM: 1,
  LOCK_TIMEOUT: 1,
  LOCK_LOST: 1,
  NATIVE_UNAVAILABLE: 1,
  LINK_LOOP: 1,
  INVALID_DIGEST: 5,
  UNSUPPORTED_ALGORITHM: 1,
  INVALID_DOCUMENT: 5,
  AMBIGUOUS_DOCUMENT: 5,
  UNSUPPORTED_MEDIA_TYPE: 1,
  INVALID_PLATFORM: 2,
  INVALID_REFERENCE: 2,
  DIGEST_MISMATCH: 5,
  SIZE_MISMATCH: 5,
  TRANSFER_INTERRUPTED: 1,
  TRANSFER_RESTARTED: 1,
  CONTENT_USED: 1,
  NOT_REGULAR_FILE: 5,
  UNSUPPORTED_COMPRESSION: 1,
  INVALID_COMPRESSION: 5,
  INVALID_TAR: 5,
  UNSUPPORTED_TAR: 1,
  CONNECTION_FAILED: 1,
  TIMEOUT: 1,
  TLS_FAILED: 1,
  REDIRECT_REFUSED: 1,
  INVALID_RESPONSE: 1,
  REGISTRY_ERROR: 1,
  TOO_MANY_REQUESTS: 1,
  BLOB_UNKNOWN: 3,
  BLOB_UPLOAD_INVALID: 1,
  BLOB_UPLOAD_UNKNOWN: 3,
  MANIFEST_BLOB_UNKNOWN: 1,
  MANIFEST_INVALID: 5,
  MANIFEST_UNKNOWN: 3,
  NAME_INVALID: 2,
  NAME_UNKNOWN: 3,
  RANGE_INVALID: 1,
  UNAUTHORIZED: 4,
  DENIED: 4,
  CONFIG_INVALID: 2,
  HELPER_FAILED: 1,
  PLATFORM_NOT_FOUND: 3,
  PLATFORM_REQUIRED: 2,
  NOT_AN_IMAGE: 1,
  INCOMPLETE_IMAGE: 1,
  DIFF_ID_MISMATCH: 5,
  INVALID_LAYER: 5,
  TARGET_NOT_EMPTY: 2,
  WORKER_FAILED: 1,
  STORE_NOT_FOUND: 3,
  STORE_VERSION: 1,
  STORE_INVALID: 1,
  STORE_DAMAGED: 5,
  STORE_DATABASE: 2,
  DATABASE_FAILED: 1,
  IMAGE_NOT_FOUND: 3,
  IMAGE_EXISTS: 1,
  INVALID_IMAGE: 2,
  INVALID_FILTER: 2,
  INVALID_NAMESPACE: 2,
};
