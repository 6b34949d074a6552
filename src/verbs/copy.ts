import { GantryError } from "../base/error.ts";
import type { Limits } from "../base/limits.ts";
import type { OperationOptions } from "../base/progress.ts";
import { formatPlatform } from "../images/platform.ts";
import type { PlatformChoice } from "../images/select.ts";
import { parseTag } from "../reference/reference.ts";
import type { ConnectOptions } from "../registry/routed/routed.ts";
import { isDigest } from "../spec/digest.ts";
import { StoreRegistry } from "../store/registry.ts";
import type { Store } from "../store/store.ts";
import { type CopyResult, copyImage } from "../transfer/copy.ts";
import { isRegistryLocation, registryReference, storeName, storePrefix } from "./names.ts";
import { type Opened, type OpenOptions, open, openStored, referenceOf } from "./open.ts";
import { missingManifests } from "./pull.ts";

export interface CopyVerbOptions extends OperationOptions {
  /** Default: all. One platform of an index is copied as an image of its own, under its own digest. */
  readonly platforms?: PlatformChoice;
  readonly parallel?: number;
  readonly limits?: Limits;
  /** The store that `store:NAME` means. */
  readonly store?: string;
  /** Where that store keeps its names, and which of them are meant. */
  readonly database?: string;
  readonly namespace?: string;
  readonly source?: ConnectOptions;
  readonly destination?: ConnectOptions;
}

function shared(
  options: CopyVerbOptions,
): Pick<OpenOptions, "progress" | "limits" | "store" | "database" | "namespace"> {
  const { progress, limits, store, database, namespace } = options;
  return {
    ...(progress && { progress }),
    ...(limits && { limits }),
    ...(store !== undefined && { store }),
    ...(database !== undefined && { database }),
    ...(namespace !== undefined && { namespace }),
  };
}

/** Copies an image from any location to any other, byte for byte. */
export async function copy(from: string, to: string, options: CopyVerbOptions = {}): Promise<CopyResult> {
  await using source = open(from, { ...options.source, ...shared(options) });
  await using destination = open(to, { ...options.destination, ...shared(options), write: true });
  // Awaited here: what is returned otherwise outlives what is closed on the way out.
  return await copyOpened(source, destination, options);
}

async function copyOpened(source: Opened, destination: Opened, options: CopyVerbOptions): Promise<CopyResult> {
  const reference = destination.reference ?? (destination.kind === "layout" ? parseTag("latest") : undefined);
  const several = options.platforms !== undefined && options.platforms !== "all" && options.platforms.length > 1;
  const result = await copyImage(
    { ...source, reference: await referenceOf(source) },
    { ...destination, ...(reference !== undefined && { reference }) },
    {
      partial: several ? "index" : "manifest",
      ...(options.platforms && { platforms: options.platforms }),
      ...(options.parallel !== undefined && { parallel: options.parallel }),
      ...(options.limits && { limits: options.limits }),
      ...(options.signal && { signal: options.signal }),
      ...(options.progress && { progress: options.progress }),
    },
  );
  if (destination.registry instanceof StoreRegistry) {
    if (reference !== undefined && isDigest(reference)) {
      await destination.registry.nameDigest(destination.repo, result.descriptor);
    }
    await destination.registry.checkLease();
  }
  return result;
}

export interface PushOptions extends Omit<CopyVerbOptions, "store" | "database" | "namespace" | "source"> {
  readonly store: Store;
}

/**
 * Sends an image of the store to a registry, by default under the name that it has.
 * @throws INCOMPLETE_IMAGE where the store has only some platforms of it
 */
export async function push(name: string, to: string | undefined, options: PushOptions): Promise<CopyResult> {
  const target = to ?? (name.startsWith(storePrefix) ? name.slice(storePrefix.length) : name);
  if (!isRegistryLocation(target))
    throw new GantryError("USAGE", `push sends to a registry; for ${target} use \`gantry cp\``);
  const own = storeName(registryReference(name.startsWith(storePrefix) ? name.slice(storePrefix.length) : name));
  if (!options.platforms) {
    const missing = await missingManifests(options.store, own);
    if (missing.length > 0) {
      const names = missing.map((entry) => (entry.platform ? formatPlatform(entry.platform) : entry.digest));
      throw new GantryError(
        "INCOMPLETE_IMAGE",
        `${own} is in the store only in part: ${names.join(", ")} missing. Bring the rest with \`gantry pull --platform all ${own}\`, or push one platform with --platform`,
        { details: { missing: names } },
      );
    }
  }
  const { store, ...rest } = options;
  await using destination = open(registryReference(target).toFullString(), { ...rest.destination, ...shared(rest) });
  // Awaited here: what is returned otherwise outlives what is closed on the way out.
  return await copyOpened(openStored(store, own), destination, rest);
}
