import type { IncomingMessage, ServerResponse } from "node:http";
import type { ErrorCode } from "../base/codes.ts";
import { type GantryError, isGantryError } from "../base/error.ts";

/** Status and wire code (distribution-spec, "Error Codes") for each of our codes; others are 500. */
const statuses: Partial<Record<ErrorCode, readonly [status: number, wire: string]>> = {
  BLOB_UNKNOWN: [404, "BLOB_UNKNOWN"],
  BLOB_UPLOAD_INVALID: [400, "BLOB_UPLOAD_INVALID"],
  BLOB_UPLOAD_UNKNOWN: [404, "BLOB_UPLOAD_UNKNOWN"],
  DIGEST_MISMATCH: [400, "DIGEST_INVALID"],
  INVALID_DIGEST: [400, "DIGEST_INVALID"],
  UNSUPPORTED_ALGORITHM: [400, "DIGEST_INVALID"],
  MANIFEST_BLOB_UNKNOWN: [404, "MANIFEST_BLOB_UNKNOWN"],
  MANIFEST_INVALID: [400, "MANIFEST_INVALID"],
  INVALID_DOCUMENT: [400, "MANIFEST_INVALID"],
  AMBIGUOUS_DOCUMENT: [400, "MANIFEST_INVALID"],
  UNSUPPORTED_MEDIA_TYPE: [400, "MANIFEST_INVALID"],
  MANIFEST_UNKNOWN: [404, "MANIFEST_UNKNOWN"],
  IMAGE_NOT_FOUND: [404, "MANIFEST_UNKNOWN"],
  INVALID_REFERENCE: [400, "NAME_INVALID"],
  NAME_INVALID: [400, "NAME_INVALID"],
  NAME_UNKNOWN: [404, "NAME_UNKNOWN"],
  SIZE_MISMATCH: [400, "SIZE_INVALID"],
  UNAUTHORIZED: [401, "UNAUTHORIZED"],
  DENIED: [403, "DENIED"],
  UNSUPPORTED: [405, "UNSUPPORTED"],
  RANGE_INVALID: [416, "BLOB_UPLOAD_INVALID"],
  LIMIT_EXCEEDED: [413, "SIZE_INVALID"],
  TOO_MANY_REQUESTS: [429, "TOOMANYREQUESTS"],
};

/** How long a client that was refused may go on sending. Milliseconds. */
const REST_MS = 5_000;

/** Answers a request with an error, or cuts the connection where a body has begun: half a body must not look whole. */
export function sendError(response: ServerResponse, error: unknown): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const known = isGantryError(error) ? statuses[error.code] : undefined;
  const [status, wire] = known ?? [500, "UNKNOWN"];
  const message = known ? (error as GantryError).message : "the registry failed; its log says why";
  const body = JSON.stringify({ errors: [{ code: wire, message }] });
  response.writeHead(status, { "content-type": "application/json", "content-length": Buffer.byteLength(body) });
  response.end(response.req.method === "HEAD" ? undefined : body);
  if (!response.req.complete) discardRest(response.req);
}

/** Takes what a client still sends for a while: a connection that is cut at once may take the answer with it. */
function discardRest(request: IncomingMessage): void {
  const timer = setTimeout(() => request.destroy(), REST_MS).unref();
  request.once("close", () => clearTimeout(timer));
  request.on("error", () => {}).resume();
}
