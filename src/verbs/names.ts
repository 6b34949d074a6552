import { GantryError, isGantryError } from "../base/error.ts";
import { parseRef, parseRepoName, parseTag, Reference, type RepoName, type Tag } from "../reference/reference.ts";
import type { Digest } from "../spec/digest.ts";
import type { GivenName } from "../store/registry.ts";
import { repositoryOf } from "../store/repository-names.ts";

export const layoutPrefix = "oci:";
export const storePrefix = "store:";
export const dockerPrefix = "docker://";
/** Kinds of locations that are known and cannot be opened. */
export const unsupportedPrefixes: readonly string[] = [
  "oci-archive:",
  "docker-archive:",
  "docker-daemon:",
  "dir:",
  "containers-storage:",
];

/** True for locations that are references to a registry: `alpine:3.20`, `docker://alpine`. */
export function isRegistryLocation(location: string): boolean {
  return ![layoutPrefix, storePrefix, ...unsupportedPrefixes].some((prefix) => location.startsWith(prefix));
}

/** The reference of a location in a registry. @throws INVALID_REFERENCE */
export function registryReference(location: string): Reference {
  try {
    return parseRef(location.startsWith(dockerPrefix) ? location.slice(dockerPrefix.length) : location);
  } catch (error) {
    // A digest that somebody typed wrong is not content that is wrong.
    if (isGantryError(error, "INVALID_DIGEST")) throw new GantryError("INVALID_REFERENCE", error.message);
    throw error;
  }
}

/** The name that a reference gets in a store: with its host, and with `latest` where it says nothing. */
export function storeName(reference: Reference): string {
  const full = reference.tag || reference.digest ? reference : new Reference({ ...reference, tag: parseTag("latest") });
  return full.toFullString();
}

/** What a name in a store means to a registry; for the exact name, where there is one, `given` stands. */
export interface StoredName {
  readonly repo: RepoName;
  readonly reference: Tag | Digest;
  readonly given: GivenName | undefined;
}

/** Stands for the repository of a name that has none: `My Backup`. */
const noRepo = parseRepoName("no-repository");

/** Reads the NAME of `store:NAME`: the image of exactly this name, else of the name in full. A store takes any name. */
export function storedName(name: string): StoredName {
  const latest = parseTag("latest");
  try {
    const reference = registryReference(name);
    const repo = repositoryOf(reference);
    // A digest says by itself what is meant.
    if (reference.digest) return { repo, reference: reference.digest, given: undefined };
    const tag = reference.tag ?? latest;
    return { repo, reference: tag, given: { name, repo, tag, full: () => storeName(reference) } };
  } catch (error) {
    if (!isGantryError(error, "INVALID_REFERENCE")) throw error;
    const full = (): never => {
      const { message } = error;
      throw new GantryError("INVALID_REFERENCE", `the store has no image of exactly this name, and ${message}`);
    };
    return { repo: noRepo, reference: latest, given: { name, repo: noRepo, tag: latest, full } };
  }
}

/** The reference that a name in a store is, for what needs a repository. @throws INVALID_REFERENCE */
export function repositoryReference(name: string): Reference {
  try {
    return registryReference(name);
  } catch (error) {
    if (!isGantryError(error, "INVALID_REFERENCE")) throw error;
    throw new GantryError(
      "INVALID_REFERENCE",
      `${error.message}; an image of such a name is in no repository: \`gantry cp "store:NAME" store:REPO:TAG\` names it in one`,
    );
  }
}
