import { GantryError } from "../base/error.ts";
import { parseRepoName, parseTag, type RepoName, type Tag } from "../reference/reference.ts";
import type { Digest } from "../spec/digest.ts";
import { storeName } from "../store/find.ts";
import type { GivenName } from "../store/registry.ts";
import { repositoryOf } from "../store/repository-names.ts";
import type { RegistryLocation, StoreLocation } from "./location.ts";

/** The location in the store that a pull of a registry's image writes. */
export function storeLocationOf({ reference }: RegistryLocation): StoreLocation {
  const name = storeName(reference);
  return { kind: "store", text: `store:${name}`, name, reference, fault: undefined };
}

/** A location in a store, in terms of the store as a registry. `given` finds an image of exactly its name. */
export interface StoredName {
  readonly repo: RepoName;
  readonly reference: Tag | Digest;
  readonly given: GivenName | undefined;
}

/** The repository of a name that has none, such as `My Backup`. */
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
  // A digest is found without a name.
  if (reference.digest) return { repo, reference: reference.digest, given: undefined };
  const tag = reference.tag ?? latest;
  return { repo, reference: tag, given: { name, repo, tag, full: () => storeName(reference) } };
}

/** @throws INVALID_REFERENCE where the name of a stored image names no repository */
export function requireRepository({ reference, fault }: StoreLocation): void {
  if (reference) return;
  throw new GantryError(
    "INVALID_REFERENCE",
    `${fault}; an image with such a name is in no repository: \`gantry cp "store:NAME" store:REPO:TAG\` gives it a name in one`,
  );
}
