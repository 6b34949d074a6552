import { GantryError, isGantryError } from "../base/error.ts";
import { parseRef, type Reference } from "../reference/reference.ts";
import { type LayoutParts, type Named, parseLayoutLocation, parseTyped } from "./layout-location.ts";

/** Where an image is, parsed from text once by {@link parseLocation}. `text` is the location as it was given. */
export type Location = RegistryLocation | LayoutLocation | StoreLocation;

/** `REF` or `docker://REF`. */
export interface RegistryLocation {
  readonly kind: "registry";
  readonly text: string;
  readonly reference: Reference;
}

/** `oci:DIR[[:REPO]:TAG|[:REPO]@DIGEST]`: an OCI image layout. */
export interface LayoutLocation extends LayoutParts {
  readonly kind: "layout";
  readonly text: string;
}

/** `store:NAME`: an image of the local store. A store takes any name, also one that is no reference. */
export interface StoreLocation {
  readonly kind: "store";
  readonly text: string;
  readonly name: string;
  /** The name as a reference; undefined where it is none. */
  readonly reference: Reference | undefined;
  /** Why the name is no reference. */
  readonly fault: string | undefined;
}

export interface LocationOptions {
  /** What the location names: `oci:DIR:x` is the image `x` of a layout, or its repository `x`. Default: an image. */
  readonly names?: Named | undefined;
}

export const layoutPrefix = "oci:";
export const storePrefix = "store:";
const dockerPrefix = "docker://";
/** Kinds of locations that other tools have, and this one does not. */
const unsupportedPrefixes = ["oci-archive:", "docker-archive:", "docker-daemon:", "dir:", "containers-storage:"];

/** Whether a text is a location in a registry, by its prefix alone. */
export function namesRegistry(text: string): boolean {
  return ![layoutPrefix, storePrefix, ...unsupportedPrefixes].some((prefix) => text.startsWith(prefix));
}

/**
 * Parses a location. Which part of `oci:DIR:x` is the directory depends on the directories that exist.
 * @throws INVALID_REFERENCE, UNSUPPORTED for a kind of location that gantry does not have
 */
export function parseLocation(text: string, options: LocationOptions = {}): Location {
  const unsupported = unsupportedPrefixes.find((prefix) => text.startsWith(prefix));
  if (unsupported !== undefined) {
    throw new GantryError(
      "UNSUPPORTED",
      `${text}: ${unsupported.slice(0, -1)} is not supported; use a registry, oci:DIR:TAG or store:NAME`,
    );
  }
  if (text.startsWith(storePrefix)) return parseStoreLocation(text);
  if (!text.startsWith(layoutPrefix)) return { kind: "registry", text, reference: referenceIn(text) };
  const layout = parseLayoutLocation(text.slice(layoutPrefix.length), options.names ?? "image");
  if (layout.directory === "") {
    throw new GantryError("INVALID_REFERENCE", `${text}: name a directory, as in oci:DIR:TAG`);
  }
  return { kind: "layout", text, ...layout };
}

/** A location that may be parsed already. */
export function asLocation(location: string | Location, options?: LocationOptions): Location {
  return typeof location === "string" ? parseLocation(location, options) : location;
}

/** Parses `NAME`, `store:NAME` or `docker://NAME` where only images of the store are meant. Any name is valid. */
export function parseStoreLocation(text: string): StoreLocation {
  const name = text.startsWith(storePrefix) ? text.slice(storePrefix.length) : withoutDocker(text);
  try {
    return { kind: "store", text, name, reference: referenceIn(name), fault: undefined };
  } catch (error) {
    if (!isGantryError(error, "INVALID_REFERENCE")) throw error;
    return { kind: "store", text, name, reference: undefined, fault: error.message };
  }
}

/** A location where only images of the store are meant. @throws USAGE for one in a layout */
export function asStoreLocation(location: string | Location): StoreLocation {
  if (typeof location === "string") return parseStoreLocation(location);
  if (location.kind === "store") return location;
  const { text } = location;
  if (location.kind === "layout") throw new GantryError("USAGE", `${text} is in a layout; name an image of the store`);
  const { reference } = location;
  return { kind: "store", text, name: withoutDocker(text), reference, fault: undefined };
}

const withoutDocker = (text: string): string =>
  text.startsWith(dockerPrefix) ? text.slice(dockerPrefix.length) : text;

const referenceIn = (text: string): Reference => parseTyped(() => parseRef(withoutDocker(text)));
