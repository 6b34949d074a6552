import { manifestForPlatform, type ResolvedImage } from "../images/select.ts";
import { ImageReader } from "../registry/image-reader.ts";
import type { StoredManifest } from "../registry/registry.ts";
import type { Descriptor, Platform } from "../spec/types.ts";
import type { Location } from "./location.ts";
import { type Opened, open, referenceOf } from "./open.ts";
import type { VerbOptions } from "./options.ts";

export interface LookOptions extends VerbOptions {
  /** One image of an index, instead of the index itself. */
  readonly platform?: Platform | undefined;
}

/**
 * The descriptor of what a location names now. It asks by HEAD where possible, which does not count against a pull
 * quota. The answer of the registry is not verified.
 */
export async function resolve(location: string | Location, options: LookOptions = {}): Promise<Descriptor> {
  await using opened = open(location, options);
  if (options.platform) return (await imageOf(opened, readerOf(opened), options)).descriptor;
  return await opened.registry.resolveManifest(opened.repo, await referenceOf(opened), options);
}

/** The manifest or index itself, byte for byte. */
export async function manifest(location: string | Location, options: LookOptions = {}): Promise<StoredManifest> {
  await using opened = open(location, options);
  if (options.platform) return (await imageOf(opened, readerOf(opened), options)).path.at(-1)!;
  return await opened.registry.getManifest(opened.repo, await referenceOf(opened), options);
}

/** The image configuration, byte for byte. */
export async function config(location: string | Location, options: LookOptions = {}): Promise<StoredManifest> {
  await using opened = open(location, options);
  const reader = readerOf(opened);
  const { manifest } = await imageOf(opened, reader, options);
  const content = await reader.read(manifest.config, options);
  return { descriptor: manifest.config, bytes: await content.bytes(options) };
}

const readerOf = ({ registry, repo }: Opened): ImageReader => new ImageReader(registry, repo);

async function imageOf(opened: Opened, reader: ImageReader, options: LookOptions): Promise<ResolvedImage> {
  const { descriptor } = await reader.getManifest(await referenceOf(opened), options);
  return manifestForPlatform(reader, descriptor, { ...options, what: opened.name });
}
