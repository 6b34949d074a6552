import { existsSync } from "node:fs";
import { GantryError } from "../base/error.ts";
import { parseRepoName, parseTag, type RepoName, type Tag } from "../reference/reference.ts";
import { LayoutRegistry } from "../registry/layout/layout.ts";
import type { Registry } from "../registry/registry.ts";
import { connect } from "../registry/routed/routed.ts";
import { type Digest, parseDigest } from "../spec/digest.ts";
import type { Store } from "../store/store.ts";
import { layoutPrefix, registryReference, storedName, storePrefix, unsupportedPrefixes } from "./names.ts";
import { connectOptions, type HeldStore, holdStore, type VerbOptions } from "./options.ts";

export interface OpenOptions extends VerbOptions {
  /** For a destination: make a layout that is not there, and accept images of which some platforms are missing. */
  readonly write?: boolean | undefined;
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
  close(): Promise<void>;
}

/**
 * Opens what an image location names: `REF` or `docker://REF`, `oci:DIR[[:REPO]:TAG|@DIGEST]`, `store:NAME`. This is the
 * only place that knows this grammar.
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
  return opened("registry", registry, reference.repository, location, reference.wanted, () => registry.close());
}

function openLayout(location: string, options: OpenOptions): Opened {
  const { directory, repo, reference } = splitLayout(location.slice(layoutPrefix.length));
  if (directory === "") throw new GantryError("INVALID_REFERENCE", `${location}: name a directory, as in oci:DIR:TAG`);
  const registry = new LayoutRegistry(directory, {
    limits: options.limits,
    create: options.write,
    sparse: options.write,
  });
  const close = (): Promise<void> => registry.close();
  return opened("layout", registry, repo ?? registry.defaultRepository, location, reference, close);
}

/**
 * `DIR`, `DIR:TAG`, `DIR@DIGEST`, and `DIR:REPO:TAG` where a directory holds several repositories. Directories may
 * have colons in their names: one that exists decides.
 */
function splitLayout(text: string): { directory: string; repo?: RepoName; reference?: Tag | Digest } {
  const at = text.lastIndexOf("@");
  if (at > 0 && text.slice(at + 1).includes(":")) {
    return { ...splitLayout(text.slice(0, at)), reference: parseDigest(text.slice(at + 1), `oci:${text}`) };
  }
  const last = text.lastIndexOf(":");
  if (last <= 0 || existsSync(text)) return { directory: text };
  const before = text.lastIndexOf(":", last - 1);
  if (before > 0 && !existsSync(text.slice(0, last)) && existsSync(text.slice(0, before))) {
    const repo = parseRepoName(text.slice(before + 1, last));
    return { directory: text.slice(0, before), repo, reference: parseTag(text.slice(last + 1)) };
  }
  if (text.slice(last + 1).includes("/")) return { directory: text };
  return { directory: text.slice(0, last), reference: parseTag(text.slice(last + 1)) };
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
  return opened("store", registry, repo, location, reference, async () => {
    await registry.release();
    await held.close();
  });
}

function opened(
  kind: Opened["kind"],
  registry: Registry,
  repo: RepoName,
  name: string,
  reference: Tag | Digest | undefined,
  close: () => Promise<void>,
): Opened {
  return { kind, registry, repo, name, reference, close, [Symbol.asyncDispose]: close };
}

/** The tag or digest of an opened location; a layout that holds a single image needs none. */
export async function referenceOf(location: Opened): Promise<Tag | Digest> {
  if (location.reference !== undefined) return location.reference;
  if (location.registry instanceof LayoutRegistry) return (await location.registry.onlyManifest()).digest;
  throw new GantryError("USAGE", `${location.name}: name a tag or a digest`);
}
