import { isTag, parseRepoName, type RepoName, type Tag } from "../../reference/reference.ts";
import { annotationKeys } from "../../spec/annotations.ts";
import type { Descriptor } from "../../spec/types.ts";

/** Marks an entry without a tag that belongs to a repository other than the default one. */
const annotationRepository = "dev.gantry.repository";

/**
 * Where an entry of index.json stands: the repository and the tag that its ref.name means. The repository is undefined for
 * the default one, whose ref.names are bare tags and which other tools read and write.
 */
export interface Place {
  readonly repo: RepoName | undefined;
  readonly tag: Tag | undefined;
}

/** The place of an entry; undefined where its ref.name is of another tool's making and means nothing here. */
export function placeOf(entry: Descriptor): Place | undefined {
  const name = entry.annotations?.[annotationKeys.refName];
  const repository = entry.annotations?.[annotationRepository];
  try {
    if (name === undefined) return { repo: repository ? parseRepoName(repository) : undefined, tag: undefined };
    if (isTag(name)) return { repo: undefined, tag: name };
    const colon = name.lastIndexOf(":");
    const tag = name.slice(colon + 1);
    return colon > 0 && isTag(tag) ? { repo: parseRepoName(name.slice(0, colon)), tag } : undefined;
  } catch {
    return undefined;
  }
}

/** The entry of a manifest in a place. */
export function entryOf(descriptor: Descriptor, { repo, tag }: Place): Descriptor {
  const { annotations: old, ...rest } = descriptor;
  const annotations: Record<string, string> = { ...old };
  delete annotations[annotationKeys.refName];
  delete annotations[annotationRepository];
  if (tag !== undefined) annotations[annotationKeys.refName] = repo === undefined ? tag : `${repo}:${tag}`;
  else if (repo !== undefined) annotations[annotationRepository] = repo;
  return Object.keys(annotations).length > 0 ? { ...rest, annotations } : rest;
}
