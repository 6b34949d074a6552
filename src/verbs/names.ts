import { GantryError, isGantryError } from "../base/error.ts";
import { parseRef, parseTag, Reference } from "../reference/reference.ts";

export const layoutPrefix = "oci:";
export const storePrefix = "store:";
const dockerPrefix = "docker://";
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
