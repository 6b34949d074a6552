import { isTag, parseRepoName, type RepoName, type Tag } from "../../reference/reference.ts";
import { annotationKeys } from "../../spec/annotations.ts";
import type { Descriptor } from "../../spec/types.ts";

/** The repository of an entry without a tag, where it is not the default one. */
const annotationRepository = "dev.gantry.repository";

/** The name of an entry of index.json: the repository and the tag that its ref.name stands for. */
export interface EntryName {
  /** Undefined for the default repository, whose ref.names are bare tags and which other tools read and write. */
  readonly repo: RepoName | undefined;
  /** Undefined for a manifest that only its digest names. */
  readonly tag: Tag | undefined;
}

/** The name of an entry; undefined where another tool has written a ref.name that holds no valid tag. */
export function entryNameOf(entry: Descriptor): EntryName | undefined {
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

/** The entry of a manifest under a name. */
export function entryOf(descriptor: Descriptor, { repo, tag }: EntryName): Descriptor {
  const { annotations: old, ...rest } = descriptor;
  const annotations: Record<string, string> = { ...old };
  delete annotations[annotationKeys.refName];
  delete annotations[annotationRepository];
  if (tag !== undefined) annotations[annotationKeys.refName] = repo === undefined ? tag : `${repo}:${tag}`;
  else if (repo !== undefined) annotations[annotationRepository] = repo;
  return Object.keys(annotations).length > 0 ? { ...rest, annotations } : rest;
}
