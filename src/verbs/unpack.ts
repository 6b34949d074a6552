import { isGantryError } from "../base/error.ts";
import { manifestForPlatform } from "../images/select.ts";
import { type ApplyReport, unpackImage } from "../layer/index.ts";
import { withMending } from "../puller/mend.ts";
import { ensureImage, type PullPolicy } from "../puller/policy.ts";
import { providerOf } from "../registry/provider.ts";
import type { Digest } from "../spec/digest.ts";
import type { Descriptor, Platform } from "../spec/types.ts";
import type { Store } from "../store/store.ts";
import { findImage } from "./images.ts";
import { asLocation, type Location, type StoreLocation } from "./location.ts";
import { type Opened, type OpenedRegistry, open, openRegistry, openStored, referenceOf } from "./open.ts";
import { holdStore, type VerbOptions } from "./options.ts";
import { storeLocationOf } from "./stored-name.ts";

export interface UnpackVerbOptions extends VerbOptions {
  /** Default: the host's platform. */
  readonly platform?: Platform | undefined;
  /** Default: IfNotPresent. */
  readonly policy?: PullPolicy | undefined;
  /** Fail where something cannot be created (a device without root, an attribute), instead of omitting it. */
  readonly strict?: boolean | undefined;
  readonly workers?: 0 | 2 | undefined;
}

export interface UnpackResult extends ApplyReport {
  /** The manifest of the image that was unpacked. */
  readonly digest: Digest;
  readonly rootfs: string;
}

interface Unpacking {
  /** The location as it was given, for errors. */
  readonly what: string;
  readonly rootfs: string;
  readonly options: UnpackVerbOptions;
}

/**
 * Unpacks the file system of an image into a directory, which must be missing or empty. The image comes from a registry
 * (through the store), a layout, or the store. A damaged blob of the store is removed and fetched again from the
 * registry, unless the policy is Never.
 * @throws DIGEST_MISMATCH for a damaged blob that cannot be fetched again, and what pulling and `unpackImage` throw
 */
export async function unpack(
  location: string | Location,
  rootfs: string,
  options: UnpackVerbOptions = {},
): Promise<UnpackResult> {
  const parsed = asLocation(location);
  const unpacking = { what: parsed.text, rootfs, options };
  if (parsed.kind === "layout") {
    await using opened = open(parsed, options);
    return await unpackOpened(opened, unpacking);
  }
  await using held = holdStore(options);
  if (parsed.kind === "store") return await unpackStored(held.store, { image: parsed, remote: undefined }, unpacking);
  await using remote = openRegistry(parsed, options);
  return await unpackStored(held.store, { image: storeLocationOf(parsed), remote }, unpacking);
}

/** Unpacks an image of a store. With `remote` it is first pulled from there, as the policy says. */
async function unpackStored(
  store: Store,
  { image, remote }: { readonly image: StoreLocation; readonly remote: OpenedRegistry | undefined },
  unpacking: Unpacking,
): Promise<UnpackResult> {
  const { signal, limits, progress, platform, policy = "IfNotPresent" } = unpacking.options;
  const common = { store, platform, signal, limits, progress };
  return withMending({
    ...common,
    async work() {
      if (remote) await ensureImage({ ...common, source: remote, name: image.name, policy });
      await using opened = openStored(store, image);
      return await unpackOpened(opened, unpacking);
    },
    target: () => targetOf(store, image),
    source: remote && policy !== "Never" ? providerOf(remote.registry, remote.repo) : undefined,
    advice: remote
      ? "The policy Never forbids fetching them again; use another policy"
      : "To fetch them again, name the image without store:",
  });
}

async function targetOf(store: Store, image: StoreLocation): Promise<Descriptor | undefined> {
  try {
    return (await findImage(store, image)).target;
  } catch (error) {
    if (isGantryError(error, "IMAGE_NOT_FOUND", "INVALID_REFERENCE")) return undefined;
    throw error;
  }
}

async function unpackOpened(opened: Opened, { what, rootfs, options }: Unpacking): Promise<UnpackResult> {
  const { signal, limits, progress, platform, workers, strict } = options;
  const call = { signal, limits };
  const { registry, repo } = opened;
  const { descriptor } = await registry.getManifest(repo, await referenceOf(opened), call);
  await using _held = await opened.protect(descriptor.digest, `unpack ${opened.name}`);
  const provider = providerOf(registry, repo);
  const image = await manifestForPlatform(provider, descriptor, { ...call, platform, what });
  const report = await unpackImage({ ...image, provider }, rootfs, { ...call, progress, workers, strict });
  return { ...report, digest: image.descriptor.digest, rootfs };
}
