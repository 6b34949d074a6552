import { GantryError } from "../base/error.ts";
import { hostPlatform } from "../images/platform.ts";
import { manifestForPlatform } from "../images/select.ts";
import { type ApplyReport, unpackImage } from "../layer/index.ts";
import { providerOf } from "../registry/registry.ts";
import type { Digest } from "../spec/digest.ts";
import type { Platform } from "../spec/types.ts";
import type { Store } from "../store/store.ts";
import { isRegistryLocation, registryReference, storeName } from "./names.ts";
import { open, openStored, referenceOf } from "./open.ts";
import { holdStore, type VerbOptions } from "./options.ts";
import { isComplete, pull } from "./pull.ts";

/** Whether an image that the store has is pulled all the same: as the policies of Kubernetes. */
export type PullPolicy = "IfNotPresent" | "Always" | "Never";

export interface UnpackVerbOptions extends VerbOptions {
  /** Default: the host's platform. */
  readonly platform?: Platform | undefined;
  /** Default: IfNotPresent. */
  readonly policy?: PullPolicy | undefined;
  readonly workers?: 0 | 2 | undefined;
}

export interface UnpackResult extends ApplyReport {
  /** The manifest of the image that was unpacked. */
  readonly digest: Digest;
  readonly rootfs: string;
}

/**
 * Makes a directory the file system of an image, which may be anywhere: a registry (through the store), a layout, or
 * the store. The directory must be absent or empty.
 */
export async function unpack(location: string, rootfs: string, options: UnpackVerbOptions = {}): Promise<UnpackResult> {
  const { signal, limits, progress, platform, workers } = options;
  await using held = holdStore(options);
  await using opened = isRegistryLocation(location)
    ? openStored(held.store, await bring(location, held.store, options))
    : open(location, { ...options, store: held.store });
  const call = { signal, limits };
  const { descriptor } = await opened.registry.getManifest(opened.repo, await referenceOf(opened), call);
  const provider = providerOf(opened.registry, opened.repo);
  const image = await manifestForPlatform(provider, descriptor, { ...call, platform, what: location });
  const report = await unpackImage({ ...image, provider }, rootfs, { ...call, progress, workers });
  return { ...report, digest: image.descriptor.digest, rootfs };
}

/** Sees to it that the store has an image, as the policy says; returns its name there. */
async function bring(location: string, store: Store, options: UnpackVerbOptions): Promise<string> {
  const { policy = "IfNotPresent", limits, platform = hostPlatform() } = options;
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
