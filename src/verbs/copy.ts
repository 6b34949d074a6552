import { GantryError, isGantryError } from "../base/error.ts";
import { formatPlatform } from "../images/platform.ts";
import type { PlatformChoice } from "../images/select.ts";
import { parseTag, type Reference, type Tag } from "../reference/reference.ts";
import { type Digest, isDigest } from "../spec/digest.ts";
import { StoreRegistry } from "../store/registry.ts";
import { type CopyOptions, type CopyResult, copyImage } from "../transfer/copy.ts";
import { findImage } from "./images.ts";
import { isRegistryLocation, registryReference, storePrefix } from "./names.ts";
import { type Opened, open, openStored, referenceOf } from "./open.ts";
import { holdStore, type VerbOptions } from "./options.ts";
import { missingManifests } from "./pull.ts";

export interface CopyVerbOptions extends VerbOptions {
  /** Default: all. One platform of an index is copied as an image of its own, under its own digest. */
  readonly platforms?: PlatformChoice | undefined;
  readonly parallel?: number | undefined;
  /** What differs for one side: its `registry` stands in the place of the common one. */
  readonly source?: CopySide | undefined;
  readonly destination?: CopySide | undefined;
}

export type CopySide = Pick<VerbOptions, "registry">;

/** Copies an image from any location to any other, byte for byte. */
export async function copy(from: string, to: string, options: CopyVerbOptions = {}): Promise<CopyResult> {
  const { registry, source: src, destination: dest } = options;
  await using source = open(from, { ...options, registry: src?.registry ?? registry });
  await using destination = open(to, { ...options, registry: dest?.registry ?? registry, write: true });
  // Awaited here: what is returned otherwise outlives what is closed on the way out.
  return await copyOpened(source, destination, options);
}

type TransferOptions = Omit<CopyOptions, "partial" | "beforeName">;

async function copyOpened(source: Opened, destination: Opened, options: TransferOptions): Promise<CopyResult> {
  const { platforms, parallel, limits, signal, progress } = options;
  const reference = destination.reference ?? (destination.kind === "layout" ? parseTag("latest") : undefined);
  const wanted = await referenceOf(source);
  await using _held = source.kind === "store" ? await protect(source, wanted) : undefined;
  const several = platforms !== undefined && platforms !== "all" && platforms.length > 1;
  const result = await copyImage(
    { ...source, reference: wanted },
    { ...destination, reference },
    { partial: several ? "index" : "manifest", platforms, parallel, limits, signal, progress },
  );
  if (destination.registry instanceof StoreRegistry) {
    if (reference !== undefined && isDigest(reference)) {
      await destination.registry.nameDigest(destination.repo, result.descriptor);
    }
    await destination.registry.checkLease();
  }
  return result;
}

/** What is sent from a store is not collected meanwhile, though its name goes. */
async function protect(
  { registry, repo, name, protect: keep }: Opened,
  wanted: Tag | Digest,
): Promise<AsyncDisposable> {
  return keep((await registry.resolveManifest(repo, wanted)).digest, `copy ${name}`);
}

export interface PushOptions extends VerbOptions {
  /** Default: all. One platform of an index is sent as an image of its own, under its own digest. */
  readonly platforms?: PlatformChoice | undefined;
  readonly parallel?: number | undefined;
}

/**
 * Sends an image of the store to a registry, by default under the name that it has.
 * @throws INCOMPLETE_IMAGE where the store has only some platforms of it
 */
export async function push(name: string, to: string | undefined, options: PushOptions = {}): Promise<CopyResult> {
  const given = name.startsWith(storePrefix) ? name.slice(storePrefix.length) : name;
  const target = to ?? given;
  if (!isRegistryLocation(target))
    throw new GantryError("USAGE", `push sends to a registry; for ${target} use \`gantry cp\``);
  await using held = holdStore(options);
  const own = (await findImage(held.store, given)).name;
  const reference = destinationOf(target, to === undefined);
  if (!options.platforms) {
    const missing = await missingManifests(held.store, own);
    if (missing.length > 0) {
      const names = missing.map((entry) => (entry.platform ? formatPlatform(entry.platform) : entry.digest));
      const bring = held.store.advice.pull(own, { platform: "all" });
      throw new GantryError(
        "INCOMPLETE_IMAGE",
        `${own} is in the store only in part: ${names.join(", ")} missing. ${bring ? `Bring the rest with \`${bring}\`, or push` : "Push"} one platform with --platform`,
        { details: { missing: names } },
      );
    }
  }
  await using destination = open(reference.toFullString(), options);
  // Awaited here: what is returned otherwise outlives what is closed on the way out.
  return await copyOpened(openStored(held.store, own), destination, options);
}

/** Where a push goes. @throws USAGE where the name in the store does not say */
function destinationOf(target: string, isName: boolean): Reference {
  try {
    return registryReference(target);
  } catch (error) {
    if (!isName || !isGantryError(error, "INVALID_REFERENCE")) throw error;
    throw new GantryError("USAGE", `${error.message}; say where to push it: \`gantry push NAME REF\``);
  }
}
