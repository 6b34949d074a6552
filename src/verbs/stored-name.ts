import { GantryError } from "../base/error.ts";
import { parseRepoName, parseTag, Reference, type RepoName, type Tag } from "../reference/reference.ts";
import type { Digest } from "../spec/digest.ts";
import type { GivenName } from "../store/registry.ts";
import { repositoryOf } from "../store/repository-names.ts";
import type { RegistryLocation, StoreLocation } from "./location.ts";

/** The name that a reference gets in a store: with its host, and with `latest` where it has neither tag nor digest. */
export function storeName(reference: Reference): string {
  const full = reference.tag || reference.digest ? reference : new Reference({ ...reference, tag: parseTag("latest") });
  return full.toFullString();
}

/** Where a pull puts an image of a registry. */
export function storeLocationOf({ reference }: RegistryLocation): StoreLocation {
  const name = storeName(reference);
  return { kind: "store", text: `store:${name}`, name, reference, fault: undefined };
}

/** What a location in a store means to the store as a registry. Where an image has exactly its name, `given` finds it. */
export interface StoredName {
  readonly repo: RepoName;
  readonly reference: Tag | Digest;
  readonly given: GivenName | undefined;
}

/** Stands for the repository of a name that has none: `My Backup`. */
const noRepo = parseRepoName("no-repository");

/** The image of exactly the location's name, else the one of the name in full. */
export function storedName({ name, reference, fault }: StoreLocation): StoredName {
  const latest = parseTag("latest");
  if (!reference) {
    const full = (): never => {
      throw new GantryError("INVALID_REFERENCE", `the store has no image of exactly this name, and ${fault}`);
    };
    return { repo: noRepo, reference: latest, given: { name, repo: noRepo, tag: latest, full } };
  }
  const repo = repositoryOf(reference);
  // A digest needs no name to be found.
  if (reference.digest) return { repo, reference: reference.digest, given: undefined };
  const tag = reference.tag ?? latest;
  return { repo, reference: tag, given: { name, repo, tag, full: () => storeName(reference) } };
}

/** @throws INVALID_REFERENCE where the name of a stored image names no repository */
export function requireRepository({ reference, fault }: StoreLocation): void {
  if (reference) return;
  throw new GantryError(
    "INVALID_REFERENCE",
    `${fault}; an image of such a name is in no repository: \`gantry cp "store:NAME" store:REPO:TAG\` names it in one`,
  );
}
