import type { RequestListener } from "node:http";
import { GantryError, isGantryError } from "../base/error.ts";
import { defaultLimits, type Limits } from "../base/limits.ts";
import { parseTagOrDigest } from "../reference/reference.ts";
import { completeRegistry, type RegistryParts } from "../registry/complete.ts";
import { parseDigest } from "../spec/digest.ts";
import { Access, type AccessOptions } from "./access.ts";
import type { Call, Served } from "./call.ts";
import { deleteBlob, deleteTagOrManifest } from "./deleter.ts";
import { RegistryFault, sendError } from "./errors.ts";
import { listRepositories, listTags } from "./lister.ts";
import { OpenUploads } from "./open-uploads.ts";
import { type Path, parsePath } from "./paths.ts";
import { getBlob, getManifest } from "./reader.ts";
import { listReferrers } from "./referrers.ts";
import { sendJson } from "./respond.ts";
import { deleteUpload, getUpload, patchUpload, pathOf, putUpload } from "./uploads.ts";
import { postBlob, putManifest } from "./writer.ts";

export interface HandlerOptions extends AccessOptions {
  readonly limits?: Limits | undefined;
  /** Whether DELETE of manifests, tags and blobs is allowed. Default: false. */
  readonly allowDelete?: boolean | undefined;
  /** An upload to which no request adds for this long is dropped. Milliseconds; default: 15 minutes. */
  readonly uploadIdleMs?: number | undefined;
  /** A request is cut off when no bytes of its body arrive for this long. Milliseconds; default: 1 minute. */
  readonly bodyIdleMs?: number | undefined;
  /**
   * Called for each failure of the registry: every answer of 500 and more, and every body that was cut off. The client
   * only learns that something failed.
   */
  readonly onError?: ((error: unknown, request: FailedRequest) => void) | undefined;
}

/** A request that failed. */
export interface FailedRequest {
  readonly method: string;
  readonly path: string;
}

/**
 * Serves a registry as the listener of a node:http server (distribution-spec). An object may have only some of the
 * methods: `getManifest` and `getBlob` are enough for pulls. Requests that need others are answered with 405 UNSUPPORTED,
 * and ranges with the whole blob.
 * @throws USAGE for names and origins that are not valid
 */
export function registryHandler(registry: RegistryParts, options: HandlerOptions = {}): RequestListener {
  const limits = options.limits ?? defaultLimits;
  const onError = options.onError ?? (() => {});
  const uploads = new OpenUploads({
    limits,
    idleMs: options.uploadIdleMs ?? 15 * 60_000,
    onError: (error, open) => onError(error, { method: "DELETE", path: pathOf(open) }),
  });
  const served: Served = {
    registry: completeRegistry(registry),
    ranges: registry.getBlobRange !== undefined,
    limits,
    allowDelete: options.allowDelete ?? false,
    uploads,
    known: {},
    bodyIdleMs: options.bodyIdleMs ?? 60_000,
  };
  const access = new Access(options);
  return (request, response) => {
    const gone = new AbortController();
    response.once("close", () =>
      gone.abort(new GantryError("TRANSFER_INTERRUPTED", "the client closed the connection")),
    );
    const url = URL.canParse(request.url ?? "", "http://registry.invalid/")
      ? new URL(request.url!, "http://registry.invalid/")
      : new URL("http://registry.invalid/");
    response.setHeader("docker-distribution-api-version", "registry/2.0");
    response.setHeader("x-content-type-options", "nosniff");
    const answer = async (): Promise<void> => {
      if (!access.check(request, response)) await handle({ ...served, request, response, url, signal: gone.signal });
    };
    answer().catch((error: unknown) => {
      const cause = error instanceof RegistryFault ? error.cause : error;
      const clientLeft =
        gone.signal.aborted && (cause === gone.signal.reason || isGantryError(cause, "TRANSFER_INTERRUPTED"));
      if (sendError(response, error) && !clientLeft)
        onError(cause, { method: request.method ?? "", path: url.pathname });
    });
  };
}

async function handle(call: Call): Promise<void> {
  const path = parsePath(call.url.pathname);
  const methods = methodsOf(call, path);
  const method = call.request.method ?? "GET";
  const deletes = call.allowDelete || path.kind === "upload";
  const answer = methods[method] ?? (method === "HEAD" ? methods["GET"] : undefined);
  if (answer && (method !== "DELETE" || deletes)) return answer();
  const allowed = Object.keys(methods).filter((name) => name !== "DELETE" || deletes);
  call.response.setHeader("allow", allowed.flatMap((name) => (name === "GET" ? ["GET", "HEAD"] : name)).join(", "));
  throw new GantryError(
    "UNSUPPORTED",
    answer ? "this registry does not allow deletion" : `${method} is not supported for this path`,
  );
}

/** The methods of a path (distribution-spec, "Endpoints"). GET answers HEAD too. */
function methodsOf(call: Call, path: Path): Readonly<Record<string, () => void | Promise<void>>> {
  switch (path.kind) {
    case "base":
      return { GET: () => sendJson(call, {}) };
    case "catalog":
      return { GET: () => listRepositories(call) };
    case "tags":
      return { GET: () => listTags(call, path.repo) };
    case "manifest":
      return {
        GET: () => getManifest(call, path.repo, parseTagOrDigest(path.id)),
        PUT: () => putManifest(call, path.repo, parseTagOrDigest(path.id)),
        DELETE: () => deleteTagOrManifest(call, path.repo, parseTagOrDigest(path.id)),
      };
    case "blob":
      return {
        GET: () => getBlob(call, path.repo, parseDigest(path.id)),
        DELETE: () => deleteBlob(call, path.repo, parseDigest(path.id)),
      };
    case "uploads":
      return { POST: () => postBlob(call, path.repo) };
    case "upload":
      return {
        GET: () => getUpload(call, path.repo, path.id),
        PATCH: () => patchUpload(call, path.repo, path.id),
        PUT: () => putUpload(call, path.repo, path.id),
        DELETE: () => deleteUpload(call, path.repo, path.id),
      };
    case "referrers":
      return { GET: () => listReferrers(call, path.repo, parseDigest(path.id)) };
    default:
      throw new GantryError("NAME_UNKNOWN", "there is nothing at this path; the API of a registry is below /v2/");
  }
}
