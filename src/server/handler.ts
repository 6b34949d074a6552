import type { RequestListener } from "node:http";
import { GantryError, isGantryError } from "../base/error.ts";
import { defaultLimits, type Limits } from "../base/limits.ts";
import { parseTagOrDigest } from "../reference/reference.ts";
import type { Registry } from "../registry/registry.ts";
import { parseDigest } from "../spec/digest.ts";
import { Access, type AccessOptions } from "./access.ts";
import type { Call, Served } from "./call.ts";
import { deleteBlob, deleteManifest } from "./deleter.ts";
import { RegistryFault, sendError } from "./errors.ts";
import { listRepositories, listTags } from "./lister.ts";
import { OpenUploads } from "./open-uploads.ts";
import { getBlob, getManifest } from "./reader.ts";
import { listReferrers } from "./referrers.ts";
import { sendJson } from "./respond.ts";
import { parseRoute, type Route } from "./routes.ts";
import { deleteUpload, getUpload, patchUpload, placeOf, putUpload } from "./uploads.ts";
import { postBlob, putManifest } from "./writer.ts";

export interface HandlerOptions extends AccessOptions {
  readonly limits?: Limits | undefined;
  /** Whether DELETE of manifests, tags and blobs is allowed. Default: false. */
  readonly allowDelete?: boolean | undefined;
  /** An upload that no request adds to for this long is dropped. Milliseconds; default: 15 minutes. */
  readonly uploadIdleMs?: number | undefined;
  /** A request whose body stops coming for this long is cut off. Milliseconds; default: 1 minute. */
  readonly bodyIdleMs?: number | undefined;
  /**
   * Told of what went wrong inside, that is every answer of 500 and more, and what was cut off while it was sent: the
   * client only learns that something did.
   */
  readonly onError?: ((error: unknown, request: FailedRequest) => void) | undefined;
}

/** What was asked when something went wrong. */
export interface FailedRequest {
  readonly method: string;
  readonly path: string;
}

/** Any registry, as the listener of a node:http server (distribution-spec). */
export function registryHandler(registry: Registry, options: HandlerOptions = {}): RequestListener {
  const limits = options.limits ?? defaultLimits;
  const onError = options.onError ?? (() => {});
  const uploads = new OpenUploads({
    limits,
    idleMs: options.uploadIdleMs ?? 15 * 60_000,
    onError: (error, open) => onError(error, { method: "DELETE", path: placeOf(open) }),
  });
  const served: Served = {
    registry,
    limits,
    allowDelete: options.allowDelete ?? false,
    uploads,
    known: {},
    bodyIdleMs: options.bodyIdleMs ?? 60_000,
  };
  const access = new Access(options);
  return (request, response) => {
    const gone = new AbortController();
    response.once("close", () => gone.abort(new GantryError("TRANSFER_INTERRUPTED", "the client went away")));
    const url = URL.canParse(request.url ?? "", "http://registry.invalid/")
      ? new URL(request.url!, "http://registry.invalid/")
      : new URL("http://registry.invalid/");
    response.setHeader("docker-distribution-api-version", "registry/2.0");
    response.setHeader("x-content-type-options", "nosniff");
    const answered = async (): Promise<void> => {
      if (!access.check(request, response)) await handle({ ...served, request, response, url, signal: gone.signal });
    };
    answered().catch((error: unknown) => {
      const cause = error instanceof RegistryFault ? error.cause : error;
      const left =
        gone.signal.aborted && (cause === gone.signal.reason || isGantryError(cause, "TRANSFER_INTERRUPTED"));
      if (sendError(response, error) && !left) onError(cause, { method: request.method ?? "", path: url.pathname });
    });
  };
}

async function handle(call: Call): Promise<void> {
  const route = parseRoute(call.url.pathname);
  const methods = methodsOf(call, route);
  const method = call.request.method ?? "GET";
  const deletes = call.allowDelete || route.kind === "upload";
  const answer = methods[method] ?? (method === "HEAD" ? methods["GET"] : undefined);
  if (answer && (method !== "DELETE" || deletes)) return answer();
  const allowed = Object.keys(methods).filter((name) => name !== "DELETE" || deletes);
  call.response.setHeader("allow", allowed.flatMap((name) => (name === "GET" ? ["GET", "HEAD"] : name)).join(", "));
  throw new GantryError(
    "UNSUPPORTED",
    answer ? "this registry does not allow deletion" : `${method} is not supported here`,
  );
}

/** What can be done with what a path names (distribution-spec, "Endpoints"). GET answers HEAD too. */
function methodsOf(call: Call, route: Route): Readonly<Record<string, () => void | Promise<void>>> {
  switch (route.kind) {
    case "base":
      return { GET: () => sendJson(call, {}) };
    case "catalog":
      return { GET: () => listRepositories(call) };
    case "tags":
      return { GET: () => listTags(call, route.repo) };
    case "manifest":
      return {
        GET: () => getManifest(call, route.repo, parseTagOrDigest(route.id)),
        PUT: () => putManifest(call, route.repo, parseTagOrDigest(route.id)),
        DELETE: () => deleteManifest(call, route.repo, parseTagOrDigest(route.id)),
      };
    case "blob":
      return {
        GET: () => getBlob(call, route.repo, parseDigest(route.id)),
        DELETE: () => deleteBlob(call, route.repo, parseDigest(route.id)),
      };
    case "uploads":
      return { POST: () => postBlob(call, route.repo) };
    case "upload":
      return {
        GET: () => getUpload(call, route.repo, route.id),
        PATCH: () => patchUpload(call, route.repo, route.id),
        PUT: () => putUpload(call, route.repo, route.id),
        DELETE: () => deleteUpload(call, route.repo, route.id),
      };
    case "referrers":
      return { GET: () => listReferrers(call, route.repo, parseDigest(route.id)) };
    default:
      throw new GantryError("NAME_UNKNOWN", "there is nothing here; the API of a registry is below /v2/");
  }
}
