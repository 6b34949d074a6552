import { GantryError } from "../base/error.ts";
import type { Limits } from "../base/limits.ts";
import type { OperationOptions } from "../base/progress.ts";
import { hostPlatform } from "../images/platform.ts";
import { manifestForPlatform } from "../images/select.ts";
import { type ApplyReport, unpackImage } from "../layer/index.ts";
import { providerOf } from "../registry/registry.ts";
import type { RemoteOptions } from "../registry/remote/remote.ts";
import type { Digest } from "../spec/digest.ts";
import type { Platform } from "../spec/types.ts";
import type { Store } from "../store/store.ts";
import { isRegistryLocation, registryReference, storeName } from "./names.ts";
import { open, openStored, referenceOf } from "./open.ts";
import { isComplete, pull } from "./pull.ts";

/** Whether an image that the store has is pulled all the same: as the policies of Kubernetes. */
export type PullPolicy = "IfNotPresent" | "Always" | "Never";

export interface UnpackVerbOptions extends OperationOptions {
  readonly store: Store;
  /** Default: the host's platform. */
  readonly platform?: Platform;
  /** Default: IfNotPresent. */
  readonly policy?: PullPolicy;
  readonly workers?: 0 | 2;
  readonly limits?: Limits;
  readonly remote?: RemoteOptions;
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
export async function unpack(location: string, rootfs: string, options: UnpackVerbOptions): Promise<UnpackResult> {
  const { store, limits, signal } = options;
  await using opened = isRegistryLocation(location)
    ? openStored(store, await bring(location, options))
    : location.startsWith("store:")
      ? openStored(store, location.slice("store:".length))
      : open(location, limits ? { limits } : {});
  const call = { ...(signal && { signal }), ...(limits && { limits }) };
  const { descriptor } = await opened.registry.getManifest(opened.repo, await referenceOf(opened), call);
  const provider = providerOf(opened.registry, opened.repo);
  const image = await manifestForPlatform(provider, descriptor, {
    ...call,
    ...(options.platform && { platform: options.platform }),
    what: location,
  });
  const report = await unpackImage({ ...image, provider }, rootfs, {
    ...call,
    ...(options.progress && { progress: options.progress }),
    ...(options.workers !== undefined && { workers: options.workers }),
  });
  return { ...report, digest: image.descriptor.digest, rootfs };
}

/** Sees to it that the store has an image, as the policy says; returns its name there. */
async function bring(location: string, options: UnpackVerbOptions): Promise<string> {
  const { store, policy = "IfNotPresent", signal, progress, limits, remote } = options;
  const name = storeName(registryReference(location));
  const platform = options.platform ?? hostPlatform();
  const call = { ...(limits && { limits }) };
  if (policy !== "Always" && (await isComplete(store, name, { platform, ...call }))) return name;
  if (policy === "Never") {
    throw new GantryError(
      "IMAGE_NOT_FOUND",
      `the store ${store.directory} does not have ${name} in full, and the policy Never forbids to pull it`,
    );
  }
  await pull(location, {
    store,
    platforms: [platform],
    ...call,
    ...(signal && { signal }),
    ...(progress && { progress }),
    ...(remote && { remote }),
  });
  return name;
}
