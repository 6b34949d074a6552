import { GantryError } from "../../base/error.ts";
import { parseRepoName, type RepoName } from "../../reference/reference.ts";
import { annotationKeys } from "../../spec/annotations.ts";
import type { Descriptor } from "../../spec/types.ts";
import { manifestUnknown } from "../refusals.ts";

/** The one manifest that a list of entries has. @throws MANIFEST_UNKNOWN, USAGE where it has several */
export function onlyManifest(name: string, repo: RepoName, entries: readonly Descriptor[]): Descriptor {
  const digests = new Set(entries.map((entry) => entry.digest));
  if (digests.size === 1) return entries[0]!;
  if (digests.size === 0) throw manifestUnknown(name, repo, "at all");
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
