import { GantryError } from "../../base/error.ts";
import { parseRepoName, type RepoName } from "../../reference/reference.ts";
import { annotationKeys } from "../../spec/annotations.ts";
import type { Descriptor } from "../../spec/types.ts";

/** The only manifest of a list of entries. @throws MANIFEST_UNKNOWN where it has none, USAGE where it has several */
export function onlyManifest(name: string, repo: RepoName, entries: readonly Descriptor[]): Descriptor {
  const digests = new Set(entries.map((entry) => entry.digest));
  if (digests.size === 1) return entries[0]!;
  if (digests.size === 0) {
    throw new GantryError("MANIFEST_UNKNOWN", `${name} holds no image; push one to it first`, { details: { repo } });
  }
  const names = entries.map((entry) => entry.annotations?.[annotationKeys.refName] ?? `@${entry.digest}`);
  throw new GantryError("USAGE", `${name} holds ${entries.length} images; name one of ${names.join(", ")}`);
}

/** A directory's name as a repository name: lower case, other characters as dashes. */
export function repositoryName(directory: string): RepoName {
  const name = directory
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-+|-+$/g, "");
  return parseRepoName(name || "image");
}
