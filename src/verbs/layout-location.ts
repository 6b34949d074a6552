import { existsSync } from "node:fs";
import { basename, dirname } from "node:path";
import { GantryError, isGantryError } from "../base/error.ts";
import { parseRepoName, parseTag, type RepoName, type Tag } from "../reference/reference.ts";
import { type Digest, parseDigest } from "../spec/digest.ts";

/** The parts of a location in a layout. */
export interface LayoutParts {
  readonly directory: string;
  /** Undefined for the default repository of the layout. */
  readonly repo: RepoName | undefined;
  /** Undefined where the location has neither a tag nor a digest. */
  readonly reference: Tag | Digest | undefined;
}

/** What a location names. It decides how one word after the directory is read. */
export type Named = "image" | "repository";

/**
 * Parses `DIR[[:REPO]:TAG|[:REPO]@DIGEST]`. One word after the directory is the TAG where an image is wanted, and the
 * REPO where a repository is. A word with a slash, or before a digest, is a REPO. The path of a directory may contain
 * colons: the longest directory that exists is chosen. The name of a new directory cannot contain one; its parent
 * should exist.
 * @throws INVALID_REFERENCE
 */
export function parseLayoutLocation(text: string, wanted: Named): LayoutParts {
  const at = text.lastIndexOf("@");
  const colon = text.indexOf(":", at);
  if (at > 0 && colon > 0 && !existsSync(text) && !existsSync(text.slice(0, colon))) {
    const reference = parseTyped(() => parseDigest(text.slice(at + 1), `oci:${text}`));
    return { ...parseLayoutLocation(text.slice(0, at), "repository"), reference };
  }
  const directory = directoryOf(text);
  const [first, second] = text.slice(directory.length).split(":").slice(1);
  if (first === undefined) return { directory, repo: undefined, reference: undefined };
  if (second !== undefined) return { directory, repo: parseRepoName(first), reference: parseTag(second) };
  if (wanted === "repository" || first.includes("/")) {
    return { directory, repo: parseRepoName(first), reference: undefined };
  }
  return { directory, repo: undefined, reference: parseTag(first) };
}

/**
 * Runs a parser of text that a user typed. A mistyped digest is INVALID_REFERENCE, a usage error: INVALID_DIGEST exits
 * with 5, as damaged content does.
 */
export function parseTyped<T>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (isGantryError(error, "INVALID_DIGEST")) throw new GantryError("INVALID_REFERENCE", error.message);
    throw error;
  }
}

/** The part of the text that is the directory: all of it, or what precedes one of the last two colons. */
function directoryOf(text: string): string {
  const last = text.lastIndexOf(":");
  const before = last > 0 ? text.lastIndexOf(":", last - 1) : -1;
  const longestFirst = [text.length, last, before].filter((end) => end >= 0).map((end) => text.slice(0, end));
  return (
    longestFirst.find((directory) => existsSync(directory)) ??
    longestFirst.find((directory) => !basename(directory).includes(":") && existsSync(dirname(directory))) ??
    longestFirst.at(-1)!
  );
}
