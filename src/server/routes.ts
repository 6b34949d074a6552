import { GantryError } from "../base/error.ts";
import { parseRepoName, type RepoName } from "../reference/reference.ts";

/** What a path of the distribution API names. `name` and `rest` are as they came, decoded once. */
export type Route =
  | { readonly kind: "base" | "catalog" | "unknown" }
  | { readonly kind: "tags" | "uploads"; readonly repo: RepoName }
  | { readonly kind: "manifest" | "blob" | "upload" | "referrers"; readonly repo: RepoName; readonly id: string };

function decode(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    throw new GantryError("INVALID_REFERENCE", "the path is not a percent-encoded text");
  }
}

const suffixes: readonly [RegExp, "tags" | "uploads" | "manifest" | "blob" | "upload" | "referrers"][] = [
  [/^(.+)\/tags\/list$/, "tags"],
  [/^(.+)\/blobs\/uploads\/?$/, "uploads"],
  [/^(.+)\/blobs\/uploads\/([^/]+)$/, "upload"],
  [/^(.+)\/blobs\/([^/]+)$/, "blob"],
  [/^(.+)\/manifests\/([^/]+)$/, "manifest"],
  [/^(.+)\/referrers\/([^/]+)$/, "referrers"],
];

/**
 * Repository names hold slashes, so paths are read from their end (distribution-spec, "Endpoints").
 * @throws INVALID_REFERENCE for a name outside the grammar
 */
export function parseRoute(pathname: string): Route {
  if (pathname === "/v2" || pathname === "/v2/") return { kind: "base" };
  if (!pathname.startsWith("/v2/")) return { kind: "unknown" };
  const path = decode(pathname.slice("/v2/".length));
  if (path === "_catalog") return { kind: "catalog" };
  for (const [pattern, kind] of suffixes) {
    const match = pattern.exec(path);
    if (match) return { kind, repo: parseRepoName(match[1]!), id: match[2] ?? "" } as Route;
  }
  return { kind: "unknown" };
}
