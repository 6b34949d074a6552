import { GantryError } from "../base/error.ts";
import { parseTag, type RepoName, type Tag } from "../reference/reference.ts";
import { LayoutRegistry } from "../registry/layout/layout.ts";
import type { Registry } from "../registry/registry.ts";
import { connect } from "../registry/routed/routed.ts";
import type { Digest } from "../spec/digest.ts";
import { isServedLayout, ServedLayout } from "../store/repositories/layout.ts";
import type { Store } from "../store/store.ts";
import { type Named, parseLayoutLocation } from "./layout-location.ts";
import { layoutPrefix, registryReference, storedName, storePrefix, unsupportedPrefixes } from "./names.ts";
import { connectOptions, type HeldStore, holdStore, type VerbOptions } from "./options.ts";

export interface OpenOptions extends VerbOptions {
  /** For a destination: make a layout that is not there, and accept images of which some platforms are missing. */
  readonly write?: boolean | undefined;
  /** What is wanted: `oci:DIR:x` is the image x of a layout, or its repository x. Default: an image. */
  readonly names?: Named | undefined;
}

/** A location, opened. Close it, or let `await using` do so. */
export interface Opened extends AsyncDisposable {
  readonly kind: "registry" | "layout" | "store";
  readonly registry: Registry;
  readonly repo: RepoName;
  /** Undefined where the location names neither tag nor digest. */
  readonly reference: Tag | Digest | undefined;
  /** The location as it was given. */
  readonly name: string;
  /** Keeps an image from being collected while it is read, where it is in a store. @param reason shown to people */
  protect(digest: Digest, reason: string): Promise<AsyncDisposable>;
  close(): Promise<void>;
}

/**
 * Opens what an image location names: `REF` or `docker://REF`, `oci:DIR[[:REPO]:TAG|@DIGEST]`, `store:NAME`.
 * @throws INVALID_REFERENCE, UNSUPPORTED for a kind of location that is not known
 */
export function open(location: string, options: OpenOptions = {}): Opened {
  const unsupported = unsupportedPrefixes.find((prefix) => location.startsWith(prefix));
  if (unsupported) {
    throw new GantryError(
      "UNSUPPORTED",
      `${location}: ${unsupported.slice(0, -1)} is not supported; use a registry, oci:DIR:TAG or store:NAME`,
    );
  }
  if (location.startsWith(layoutPrefix)) return openLayout(location, options);
  if (location.startsWith(storePrefix)) return openStore(location, options);
  const reference = registryReference(location);
  const registry = connect(reference.host, connectOptions(options));
  // What comes next in this process finds the connections still open.
  const close = (): Promise<void> => registry.close({ keepIdle: true });
  return opened("registry", registry, reference.repository, location, reference.wanted, close);
}

function openLayout(location: string, options: OpenOptions): Opened {
  const { directory, repo, reference } = parseLayoutLocation(
    location.slice(layoutPrefix.length),
    options.names ?? "image",
  );
  if (directory === "") throw new GantryError("INVALID_REFERENCE", `${location}: name a directory, as in oci:DIR:TAG`);
  const registry = openDirectory(directory, options);
  const close = (): Promise<void> => registry.close();
  return opened("layout", registry, repo ?? registry.defaultRepository, location, reference, close);
}

/** A layout as it keeps its names: in index.json, or in a database where it is served. */
export function openDirectory(directory: string, options: OpenOptions = {}): LayoutRegistry | ServedLayout {
  const { limits, write } = options;
  if (isServedLayout(directory)) return new ServedLayout(directory, { limits, sparse: write });
  return new LayoutRegistry(directory, { limits, create: write, sparse: write });
}

function openStore(location: string, options: OpenOptions): Opened {
  return openHeld(holdStore(options), location, options.write);
}

/** An image of a store that is open already, and stays open. */
export function openStored(store: Store, name: string): Opened {
  return openHeld(holdStore({ store }), `${storePrefix}${name}`);
}

function openHeld(held: HeldStore, location: string, write = false): Opened {
  const { store } = held;
  const { repo, reference, given } = storedName(location.slice(storePrefix.length));
  const reason = `writing ${location}`;
  const registry = write ? store.writer(reason, { given }) : store.reader(reason, given);
  const close = async (): Promise<void> => {
    await registry.release();
    await held.close();
  };
  const protect: Opened["protect"] = (digest, why) => store.protect(digest, why);
  return { ...opened("store", registry, repo, location, reference, close), protect };
}

/** Only a store collects what nothing names. */
const needless: Opened["protect"] = async () => ({ async [Symbol.asyncDispose]() {} });

function opened(
  kind: Opened["kind"],
  registry: Registry,
  repo: RepoName,
  name: string,
  reference: Tag | Digest | undefined,
  close: () => Promise<void>,
): Opened {
  return { kind, registry, repo, name, reference, protect: needless, close, [Symbol.asyncDispose]: close };
}

/**
 * The tag or digest of an opened location: `latest` of a repository, and of a layout the one image that it holds.
 * @throws USAGE
 */
export async function referenceOf(location: Opened): Promise<Tag | Digest> {
  if (location.reference !== undefined) return location.reference;
  if (location.registry instanceof LayoutRegistry || location.registry instanceof ServedLayout) {
    if (location.repo !== location.registry.defaultRepository) return parseTag("latest");
    return (await location.registry.onlyManifest()).digest;
  }
  throw new GantryError("USAGE", `${location.name}: name a tag or a digest`);
}
