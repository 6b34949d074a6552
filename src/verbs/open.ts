import { parseTag, type RepoName, type Tag } from "../reference/reference.ts";
import { LayoutRegistry } from "../registry/layout/layout.ts";
import type { RemoteRegistry } from "../registry/remote/remote.ts";
import { connect, type RoutedRegistry } from "../registry/routed/routed.ts";
import type { Digest } from "../spec/digest.ts";
import type { StoreRegistry } from "../store/registry.ts";
import { isServedLayout, ServedLayout } from "../store/repositories/layout.ts";
import type { Store } from "../store/store.ts";
import {
  asLocation,
  type LayoutLocation,
  type Location,
  type LocationOptions,
  type RegistryLocation,
  type StoreLocation,
} from "./location.ts";
import { connectOptions, type HeldStore, holdStore, type VerbOptions } from "./options.ts";
import { storedName } from "./stored-name.ts";

/** `names` is for a location that is given as text. */
export interface OpenOptions extends VerbOptions, LocationOptions {
  /** For a destination: create a missing layout, and accept images with missing platforms. */
  readonly write?: boolean | undefined;
}

/** A location, opened. Close it, or let `await using` do so. */
export type Opened = OpenedRegistry | OpenedLayout | OpenedStore;

interface OpenedParts extends AsyncDisposable {
  readonly repo: RepoName;
  /** The tag or digest; `latest` where a registry's or a store's location has none. */
  readonly reference: Tag | Digest;
  /** The location as it was given. */
  readonly name: string;
  /** Keeps an image of a store from being collected while it is read. @param reason shown to people */
  protect(digest: Digest, reason: string): Promise<AsyncDisposable>;
  close(): Promise<void>;
}

export interface OpenedRegistry extends OpenedParts {
  readonly kind: "registry";
  readonly registry: RemoteRegistry | RoutedRegistry;
}

export interface OpenedLayout extends Omit<OpenedParts, "reference"> {
  readonly kind: "layout";
  readonly registry: LayoutRegistry | ServedLayout;
  /** Undefined where the location has neither a tag nor a digest. */
  readonly reference: Tag | Digest | undefined;
}

export interface OpenedStore extends OpenedParts {
  readonly kind: "store";
  readonly registry: StoreRegistry;
}

/**
 * Opens a location: `REF` or `docker://REF`, `oci:DIR[[:REPO]:TAG|@DIGEST]`, `store:NAME`. No registry is asked yet.
 * @throws INVALID_REFERENCE, UNSUPPORTED for a kind of location that gantry does not have
 */
export function open(location: string | Location, options: OpenOptions = {}): Opened {
  const parsed = asLocation(location, options);
  if (parsed.kind === "registry") return openRegistry(parsed, options);
  if (parsed.kind === "layout") return openLayout(parsed, options);
  return openHeld(holdStore(options), parsed, options.write);
}

export function openRegistry({ text, reference }: RegistryLocation, options: VerbOptions): OpenedRegistry {
  const registry = connect(reference.host, connectOptions(options));
  const { repository: repo, wanted } = reference;
  // The connections stay open for the next request of this process.
  const close = (): Promise<void> => registry.close({ keepIdle: true });
  return { kind: "registry", registry, repo, reference: wanted, ...parts(text, close) };
}

function openLayout({ text, directory, repo, reference }: LayoutLocation, options: OpenOptions): OpenedLayout {
  const registry = openDirectory(directory, options);
  const close = (): Promise<void> => registry.close();
  return { kind: "layout", registry, repo: repo ?? registry.defaultRepository, reference, ...parts(text, close) };
}

/** Opens a layout through its database where it was served, else through index.json. */
export function openDirectory(directory: string, options: OpenOptions = {}): LayoutRegistry | ServedLayout {
  const { limits, write } = options;
  if (isServedLayout(directory)) return new ServedLayout(directory, { limits, sparse: write });
  return new LayoutRegistry(directory, { limits, create: write, sparse: write });
}

/** An image of a store that is open already, and stays open. */
export function openStored(store: Store, location: StoreLocation): OpenedStore {
  return openHeld(holdStore({ store }), location);
}

function openHeld(held: HeldStore, location: StoreLocation, write = false): OpenedStore {
  const { store } = held;
  const { repo, reference, given } = storedName(location);
  const reason = `writing ${location.text}`;
  const registry = write ? store.writer(reason, { given }) : store.reader(reason, given);
  const close = async (): Promise<void> => {
    await registry.release();
    await held.close();
  };
  const protect: Opened["protect"] = (digest, why) => store.protect(digest, why);
  return { kind: "store", registry, repo, reference, ...parts(location.text, close), protect };
}

/** Only a store has a garbage collection. */
const needless: Opened["protect"] = async () => ({ async [Symbol.asyncDispose]() {} });

function parts(name: string, close: () => Promise<void>): Omit<OpenedParts, "repo" | "reference"> {
  return { name, protect: needless, close, [Symbol.asyncDispose]: close };
}

/**
 * The tag or digest of an opened location. For a layout's location without one: `latest` of a named repository, and of
 * the default repository the one image that the layout holds.
 * @throws USAGE where it holds several
 */
export async function referenceOf(opened: Opened): Promise<Tag | Digest> {
  if (opened.kind !== "layout") return opened.reference;
  const { registry, repo, reference } = opened;
  if (reference !== undefined) return reference;
  return repo === registry.defaultRepository ? (await registry.onlyManifest()).digest : parseTag("latest");
}
