import type { PlatformChoice } from "../images/select.ts";
import { parseTag } from "../reference/reference.ts";
import { isDigest } from "../spec/digest.ts";
import { type CopyResult, copyImage } from "../transfer/copy.ts";
import type { Location } from "./location.ts";
import { type Opened, type OpenedStore, open, referenceOf } from "./open.ts";
import type { VerbOptions } from "./options.ts";

export interface CopyVerbOptions extends VerbOptions {
  /** Default: all. One platform of an index is copied as an image of its own, under its own digest. */
  readonly platforms?: PlatformChoice | undefined;
  readonly parallel?: number | undefined;
  /** Options of one side. Its `registry` replaces the common one. */
  readonly source?: CopySide | undefined;
  readonly destination?: CopySide | undefined;
}

export type CopySide = Pick<VerbOptions, "registry">;

/** Copies an image from any location to any other, byte for byte. */
export async function copy(
  from: string | Location,
  to: string | Location,
  options: CopyVerbOptions = {},
): Promise<CopyResult> {
  const { registry, source: src, destination: dest } = options;
  await using source = open(from, { ...options, registry: src?.registry ?? registry });
  await using destination = open(to, { ...options, registry: dest?.registry ?? registry, write: true });
  return await copyOpened(source, destination, options);
}

/** Copies between opened locations. An image of a store is protected from collection, even if its name is removed. */
export async function copyOpened(
  source: Opened,
  destination: Opened,
  options: Omit<CopyVerbOptions, "source" | "destination">,
): Promise<CopyResult> {
  const { platforms, parallel, limits, signal, progress } = options;
  const wanted = await referenceOf(source);
  await using _held = source.kind === "store" ? await protectNamed(source) : undefined;
  const several = platforms !== undefined && platforms !== "all" && platforms.length > 1;
  const reference = destination.reference ?? parseTag("latest");
  const result = await copyImage(
    { ...source, reference: wanted },
    { ...destination, reference },
    { partial: several ? "index" : "manifest", platforms, parallel, limits, signal, progress },
  );
  if (destination.kind === "store") {
    if (isDigest(reference)) await destination.registry.nameDigest(destination.repo, result.descriptor);
    await destination.registry.checkLease();
  }
  return result;
}

async function protectNamed({ registry, repo, reference, name, protect }: OpenedStore): Promise<AsyncDisposable> {
  return protect((await registry.resolveManifest(repo, reference)).digest, `copy ${name}`);
}
