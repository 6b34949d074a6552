import { GantryError, isGantryError } from "../base/error.ts";
import { hostPlatform } from "../images/platform.ts";
import { manifestForPlatform, type ResolvedImage } from "../images/select.ts";
import { type ApplyReport, unpackImage } from "../layer/index.ts";
import { providerOf } from "../registry/provider.ts";
import type { Digest } from "../spec/digest.ts";
import type { Descriptor, Platform } from "../spec/types.ts";
import type { Lease } from "../store/leases.ts";
import type { Store } from "../store/store.ts";
import { findImage } from "./images.ts";
import { damagedBlobs, damageError, mayBeDamage, mendBlobs } from "./mend.ts";
import { isRegistryLocation, registryReference, storeName, storePrefix } from "./names.ts";
import { type Opened, open, openStored, referenceOf } from "./open.ts";
import { holdStore, type VerbOptions } from "./options.ts";
import { isComplete, pull } from "./pull.ts";

/** Whether an image that the store has is pulled all the same: as the policies of Kubernetes. */
export type PullPolicy = "IfNotPresent" | "Always" | "Never";

export interface UnpackVerbOptions extends VerbOptions {
  /** Default: the host's platform. */
  readonly platform?: Platform | undefined;
  /** Default: IfNotPresent. */
  readonly policy?: PullPolicy | undefined;
  /** Fail where something cannot be kept (a device without root, an attribute), instead of leaving it out. */
  readonly strict?: boolean | undefined;
  readonly workers?: 0 | 2 | undefined;
}

export interface UnpackResult extends ApplyReport {
  /** The manifest of the image that was unpacked. */
  readonly digest: Digest;
  readonly rootfs: string;
}

/**
 * Makes a directory the file system of an image, which may be anywhere: a registry (through the store), a layout, or
 * the store. The directory must be absent or empty. A blob of the store that turns out to be damaged is brought anew
 * from the registry, unless the policy is Never.
 * @throws DIGEST_MISMATCH for a damaged blob that may not be, and what pulling and `unpackImage` throw
 */
export async function unpack(location: string, rootfs: string, options: UnpackVerbOptions = {}): Promise<UnpackResult> {
  await using held = holdStore(options);
  const { store } = held;
  const { policy = "IfNotPresent" } = options;
  const remote = isRegistryLocation(location);
  const mended = new Set<Digest>();
  for (;;) {
    try {
      await using opened = remote
        ? openStored(store, await bring(location, store, policy, options))
        : open(location, { ...options, store });
      return await unpackOpened(opened, store, { what: location, rootfs }, options);
    } catch (error) {
      const stored = remote || location.startsWith(storePrefix);
      if (!stored || !mayBeDamage(error)) throw error;
      const found = await damagedBlobs(store, await targetOf(location, store, error), options);
      // Each blob is brought once: what is wrong again was not mended by that.
      const damaged = found.filter(({ digest }) => !mended.has(digest));
      if (damaged.length === 0) throw error;
      if (!remote || policy === "Never") throw damageError(store, damaged, adviceFor(location), error);
      await mend(location, store, damaged, options);
      for (const { digest } of damaged) mended.add(digest);
    }
  }
}

async function mend(
  location: string,
  store: Store,
  damaged: readonly Descriptor[],
  options: UnpackVerbOptions,
): Promise<void> {
  await using source = open(location, options);
  await mendBlobs(store, damaged, providerOf(source.registry, source.repo), options);
}

const adviceFor = (location: string): string =>
  isRegistryLocation(location)
    ? "The policy Never forbids to bring them anew; another policy does so"
    : "Name the image as it is in its registry, without store:, to bring them anew";

/** What the image of the store stands for that could not be read. */
async function targetOf(location: string, store: Store, unread: unknown): Promise<Descriptor> {
  try {
    return (await findImage(store, storeNameOf(location))).target;
  } catch (error) {
    throw isGantryError(error, "IMAGE_NOT_FOUND", "INVALID_REFERENCE") ? unread : error;
  }
}

/** The name in the store for an image of a registry or of the store. */
const storeNameOf = (location: string): string =>
  isRegistryLocation(location) ? storeName(registryReference(location)) : location;

async function unpackOpened(
  opened: Opened,
  store: Store,
  { what, rootfs }: { readonly what: string; readonly rootfs: string },
  options: UnpackVerbOptions,
): Promise<UnpackResult> {
  const { signal, limits, progress, platform, workers, strict } = options;
  const call = { signal, limits };
  const { descriptor } = await opened.registry.getManifest(opened.repo, await referenceOf(opened), call);
  const provider = providerOf(opened.registry, opened.repo);
  const image = await manifestForPlatform(provider, descriptor, { ...call, platform, what });
  const lease = opened.kind === "store" ? await leaseImage(store, opened.name, image) : undefined;
  try {
    const report = await unpackImage({ ...image, provider }, rootfs, { ...call, progress, workers, strict });
    return { ...report, digest: image.descriptor.digest, rootfs };
  } finally {
    await lease?.release();
  }
}

/** Keeps an image from being collected while it is read, where its name is removed meanwhile. */
async function leaseImage(store: Store, name: string, { path, manifest }: ResolvedImage): Promise<Lease | undefined> {
  let lease: Lease;
  try {
    lease = await store.lease(`unpack ${name}`);
  } catch (error) {
    // From a store that takes no writes nothing is collected from here, and it can be read all the same.
    if (isGantryError(error, "FILE_SYSTEM", "NO_SPACE")) return undefined;
    throw error;
  }
  try {
    const documents = path.map((read) => read.descriptor);
    for (const { digest } of [...documents, manifest.config, ...manifest.layers]) await lease.protect(digest);
    return lease;
  } catch (error) {
    await lease.release();
    throw error;
  }
}

/** Sees to it that the store has an image, as the policy says; returns its name there. */
async function bring(location: string, store: Store, policy: PullPolicy, options: UnpackVerbOptions): Promise<string> {
  const { limits, platform = hostPlatform() } = options;
  const name = storeName(registryReference(location));
  if (policy !== "Always" && (await isComplete(store, name, { platform, limits }))) return name;
  if (policy === "Never") {
    throw new GantryError(
      "IMAGE_NOT_FOUND",
      `the store ${store.directory} does not have ${name} in full, and the policy Never forbids to pull it`,
    );
  }
  const { signal, progress, registry } = options;
  await pull(location, { signal, progress, limits, registry, store, platforms: [platform] });
  return name;
}
