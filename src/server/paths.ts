import { GantryError } from "../base/error.ts";
import { parseRepoName, type RepoName } from "../reference/reference.ts";

/** What a path of the API names. `id` is a tag, a digest or the id of an upload as the client wrote it, decoded once. */
export type Path =
  | { readonly kind: "base" | "catalog" | "unknown" }
  | { readonly kind: "tags" | "uploads"; readonly repo: RepoName }
  | { readonly kind: "manifest" | "blob" | "upload" | "referrers"; readonly repo: RepoName; readonly id: string };

const endings: readonly [RegExp, "tags" | "uploads" | "manifest" | "blob" | "upload" | "referrers"][] = [
  [/^(.+)\/tags\/list$/, "tags"],
  [/^(.+)\/blobs\/uploads\/?$/, "uploads"],
  [/^(.+)\/blobs\/uploads\/([^/]+)$/, "upload"],
  [/^(.+)\/blobs\/([^/]+)$/, "blob"],
  [/^(.+)\/manifests\/([^/]+)$/, "manifest"],
  [/^(.+)\/referrers\/([^/]+)$/, "referrers"],
];

/**
 * Repository names have slashes, so a path is matched from its end (distribution-spec, "Endpoints").
 * @throws INVALID_REFERENCE for a name outside the grammar, and for a path that cannot be decoded
 */
export function parsePath(pathname: string): Path {
  if (pathname === "/v2" || pathname === "/v2/") return { kind: "base" };
  if (!pathname.startsWith("/v2/")) return { kind: "unknown" };
  const path = decode(pathname.slice("/v2/".length));
  if (path === "_catalog") return { kind: "catalog" };
  for (const [pattern, kind] of endings) {
    const match = pattern.exec(path);
    if (match) return { kind, repo: parseRepoName(match[1]!), id: match[2] ?? "" } as Path;
  }
  return { kind: "unknown" };
}

function decode(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    throw new GantryError("INVALID_REFERENCE", "the percent-encoding of the path is not valid");
  }
}
