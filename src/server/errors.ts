import type { IncomingMessage, ServerResponse } from "node:http";
import type { ErrorCode } from "../base/codes.ts";
import { errnoOf, GantryError, isGantryError, messageOf } from "../base/error.ts";

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

/** Messages for clients. Those of the registry are not passed on: they may name paths of this machine. */
const answers: Partial<Record<ErrorCode, (error: GantryError) => string>> = {
  BLOB_UNKNOWN: () => "there is no such blob in this repository",
  BLOB_UPLOAD_UNKNOWN: () => "there is no such upload; start one with POST",
  MANIFEST_UNKNOWN: () => "there is no such manifest in this repository",
  IMAGE_NOT_FOUND: () => "there is no such manifest in this repository",
  NAME_UNKNOWN: () => "there is no such repository",
  MANIFEST_BLOB_UNKNOWN: ({ details }) =>
    `the manifest refers to blobs or manifests that this repository does not have: ${[details["missing"] ?? []].flat().slice(0, 10).join(", ")}`,
  UNSUPPORTED: () => "this registry does not support this request",
  UNAUTHORIZED: () =>
    "the registry behind this server asks for credentials; the operator of the server can configure them",
  DENIED: () => "the registry behind this server refuses this request",
  TOO_MANY_REQUESTS: () => "the registry behind this server takes no more requests now; wait, then retry",
};

/** Messages for a client that sent bytes. For other requests these codes are failures of the stored content. */
const answersToBytes: typeof answers = {
  DIGEST_MISMATCH: ({ details }) =>
    details["computed"] === undefined
      ? "the bytes that were received do not have that digest; they were discarded"
      : `the bytes that were received have the digest ${details["computed"]}, not ${details["expected"]}; they were discarded`,
  SIZE_MISMATCH: () => "the bytes that were received do not have the announced size; they were discarded",
  MANIFEST_INVALID: () => "the registry behind this server does not accept this manifest",
  BLOB_UPLOAD_INVALID: () => "the registry behind this server does not accept this blob",
};

/** A failure of the registry that is served. The server logs it; clients only learn that something failed. */
export class RegistryFault extends Error {
  override readonly cause: unknown;

  constructor(cause: unknown) {
    super(messageOf(cause), { cause });
    this.cause = cause;
  }
}

/** Turns an error of the registry into one for the client. @param given whether the client sent bytes: they may be wrong */
export function registryError(error: unknown, given = false): GantryError | RegistryFault {
  if (!isGantryError(error)) return new RegistryFault(error);
  const say = answers[error.code] ?? (given ? answersToBytes[error.code] : undefined);
  return say ? new GantryError(error.code, say(error), { cause: error }) : new RegistryFault(error);
}

/** Waits for the registry, and turns its errors into errors for the client. */
export async function ask<T>(work: Promise<T>, given?: "given bytes"): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw registryError(error, given !== undefined);
  }
}

/** As {@link ask}, for a list. */
export async function* askAll<T>(items: AsyncIterable<T>): AsyncGenerator<T> {
  const iterator = items[Symbol.asyncIterator]();
  try {
    for (let item = await ask(iterator.next()); !item.done; item = await ask(iterator.next())) yield item.value;
  } finally {
    await iterator.return?.();
  }
}

/** Whether the disk of the registry is full. */
function isNoSpace(error: unknown): boolean {
  const errno = isGantryError(error) ? (error.details["errno"] ?? error.code) : errnoOf(error);
  return errno === "ENOSPC" || errno === "EDQUOT" || errno === "NO_SPACE";
}

function describe(error: unknown): readonly [status: number, wire: string, message: string] {
  const known = isGantryError(error) ? statuses[error.code] : undefined;
  if (known) return [...known, (error as GantryError).message];
  if (error instanceof RegistryFault && isNoSpace(error.cause)) {
    return [507, "UNKNOWN", "the registry has no space left for this"];
  }
  return [500, "UNKNOWN", "the registry failed; the reason is in the log of the server"];
}

/** How long the rest of a body is read after an error. Milliseconds. */
const REST_MS = 5_000;

/**
 * Answers a request with an error. If the answer has already begun, closes the connection instead: half a body must not
 * look whole.
 * @returns whether the registry failed
 */
export function sendError(response: ServerResponse, error: unknown): boolean {
  if (response.headersSent) {
    response.destroy();
    return true;
  }
  const [status, code, message] = describe(error);
  const body = JSON.stringify({ errors: [{ code, message }] });
  response.writeHead(status, { "content-type": "application/json", "content-length": Buffer.byteLength(body) });
  response.end(response.req.method === "HEAD" ? undefined : body);
  if (!response.req.complete) discardRest(response.req);
  return status >= 500;
}

/** Reads and drops the rest of a request: if the connection is closed at once, the client may lose the answer. */
function discardRest(request: IncomingMessage): void {
  const timer = setTimeout(() => request.destroy(), REST_MS).unref();
  request.once("close", () => clearTimeout(timer));
  request.on("error", () => {}).resume();
}
