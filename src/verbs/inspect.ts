import { GantryError, isGantryError } from "../base/error.ts";
import { checkLimit, defaultLimits } from "../base/limits.ts";
import { isDocument, readConfig, readDocument } from "../images/graph.ts";
import { isAttestation, manifestForPlatform } from "../images/select.ts";
import { ImageReader } from "../registry/image-reader.ts";
import { isDigest } from "../spec/digest.ts";
import type { Descriptor, Image, Manifest, Platform } from "../spec/types.ts";
import { repositoryReference, storePrefix } from "./names.ts";
import { type Opened, open, referenceOf } from "./open.ts";
import type { VerbOptions } from "./options.ts";

export interface LookOptions extends VerbOptions {
  /** One image of an index, instead of the index itself. */
  readonly platform?: Platform | undefined;
}

async function look<T>(location: string, options: LookOptions, work: (opened: Opened) => Promise<T>): Promise<T> {
  await using opened = open(location, options);
  return await work(opened);
}

/**
 * What a location names right now. Asks by HEAD where it can, so that it costs nothing of a pull quota; what the
 * registry claims is no proof.
 */
export function resolve(location: string, options: LookOptions = {}): Promise<Descriptor> {
  return look(location, options, async (opened) => {
    const reference = await referenceOf(opened);
    if (!options.platform) return opened.registry.resolveManifest(opened.repo, reference, options);
    return (await image(opened, options)).descriptor;
  });
}

async function image(
  opened: Opened,
  options: LookOptions,
  reader: ImageReader = new ImageReader(opened.registry, opened.repo),
): ReturnType<typeof manifestForPlatform> {
  const { descriptor } = await reader.getManifest(await referenceOf(opened), options);
  return manifestForPlatform(reader, descriptor, { ...options, what: opened.name });
}

/** The manifest or index itself, byte for byte. */
export function manifest(
  location: string,
  options: LookOptions = {},
): Promise<{ descriptor: Descriptor; bytes: Buffer }> {
  return look(location, options, async (opened) => {
    if (!options.platform) return opened.registry.getManifest(opened.repo, await referenceOf(opened), options);
    const { path } = await image(opened, options);
    return path.at(-1)!;
  });
}

/** The image configuration, byte for byte. */
export function config(
  location: string,
  options: LookOptions = {},
): Promise<{ descriptor: Descriptor; bytes: Buffer }> {
  return look(location, options, async (opened) => {
    const reader = new ImageReader(opened.registry, opened.repo);
    const { manifest } = await image(opened, options, reader);
    const content = await reader.read(manifest.config, options);
    return { descriptor: manifest.config, bytes: await content.bytes(options) };
  });
}

/** One image of a location: its layers and what it runs. */
export interface ImageSummary {
  readonly descriptor: Descriptor;
  readonly platform: Platform;
  readonly created?: string | undefined;
  /** What it runs, its environment included. */
  readonly config: Image["config"];
  /** How its layers came to be, from the base upwards. */
  readonly history?: Image["history"] | undefined;
  /** Where the configuration itself is. */
  readonly configDescriptor: Descriptor;
  readonly layers: readonly (Descriptor & { readonly diffID: string })[];
  /** Sum of the layers' sizes, compressed. */
  readonly size: number;
}

/** A manifest that is no image, or an entry of an index that is no document at all and has no layers then. */
export interface ArtifactSummary extends Descriptor {
  /** What it says that it is, else what its config is (image-spec manifest.md, "Guidelines for Artifact Usage"). */
  readonly artifactType?: string | undefined;
  readonly layers: readonly Descriptor[];
  /** The manifest that it says something about: its subject, or what an attestation is annotated with. */
  readonly about?: string | undefined;
}

export interface Inspection {
  readonly name: string;
  readonly descriptor: Descriptor;
  /** What an index says that it is. */
  readonly artifactType?: string | undefined;
  readonly images: readonly ImageSummary[];
  /** What is no image: attestations and other artifacts. */
  readonly artifacts: readonly ArtifactSummary[];
  /**
   * Images that the index lists, but whose documents are not here, as in a partial image, or cannot be verified: their
   * digest is of an algorithm that is not known.
   */
  readonly missing: readonly Descriptor[];
  /** What refers to it: signatures, SBOMs; absent where nobody keeps a list. */
  readonly referrers?: readonly Descriptor[] | undefined;
}

/** Looks at an image and everything below it, without its layers. */
export function inspect(location: string, options: LookOptions = {}): Promise<Inspection> {
  return look(location, options, async (opened) => {
    const { registry, repo } = opened;
    const provider = new ImageReader(registry, repo);
    const { descriptor } = await provider.getManifest(await referenceOf(opened), options);
    if (options.platform) {
      const chosen = await manifestForPlatform(provider, descriptor, { ...options, what: opened.name });
      const only = summarize(chosen.descriptor, chosen.config, chosen.manifest);
      const found = await referrersOf(opened, chosen.descriptor, options);
      return { name: location, descriptor, images: [only], artifacts: [], missing: [], ...found };
    }
    const images: ImageSummary[] = [];
    const artifacts: ArtifactSummary[] = [];
    const missing: Descriptor[] = [];
    const seen = new Set<string>();
    const limits = options.limits ?? defaultLimits;
    let artifactType: string | undefined;
    const visit = async (at: Descriptor, depth: number): Promise<void> => {
      if (seen.has(at.digest)) return;
      seen.add(at.digest);
      checkLimit(limits, "graphNodes", seen.size, location);
      if (depth > 0 && !isDocument(at)) return void artifacts.push({ ...at, layers: [] });
      const read = await readDocument(provider, at, options).catch((error: unknown) => {
        if (depth > 0 && error instanceof GantryError && /_UNKNOWN$|^UNSUPPORTED_ALGORITHM$/.test(error.code))
          return undefined;
        throw error;
      });
      if (!read) return void missing.push(at);
      const { document } = read;
      if (document.kind === "index") {
        if (depth === 0) artifactType = document.index.artifactType;
        checkLimit(limits, "graphDepth", depth + 1, `${location}: the nesting of its indexes`);
        for (const entry of document.index.manifests) await visit(entry, depth + 1);
        return;
      }
      const { artifactType: type, config } = document.manifest;
      const isImage = !isAttestation(at) && !type && /container\.image\.v1|image\.config\.v1/.test(config.mediaType);
      if (!isImage) return void artifacts.push(summarizeArtifact(at, document.manifest));
      images.push(summarize(at, await readConfig(provider, document.manifest, options), document.manifest));
    };
    await visit(descriptor, 0);
    const found = await referrersOf(opened, descriptor, options);
    return { name: location, descriptor, artifactType, images, artifacts, missing, ...found };
  });
}

/** What refers to a document. A registry that will not say does not keep anybody from seeing the rest. */
async function referrersOf(
  { registry, repo }: Opened,
  { digest }: Descriptor,
  options: LookOptions,
): Promise<{ readonly referrers?: readonly Descriptor[] | undefined }> {
  const referrers: Descriptor[] = [];
  try {
    for await (const descriptor of registry.referrers(repo, digest, options)) referrers.push(descriptor);
    return { referrers };
  } catch (error) {
    if (!isGantryError(error, "UNSUPPORTED", "DENIED", "UNAUTHORIZED", "REGISTRY_ERROR")) throw error;
    return {};
  }
}

function summarizeArtifact(descriptor: Descriptor, manifest: Manifest): ArtifactSummary {
  const { artifactType, config, layers, subject } = manifest;
  const about = subject?.digest ?? descriptor.annotations?.["vnd.docker.reference.digest"];
  return { ...descriptor, artifactType: artifactType ?? config.mediaType, layers, about };
}

function summarize(descriptor: Descriptor, config: Image, manifest: Manifest): ImageSummary {
  const { layers } = manifest;
  const { os, architecture, variant } = config;
  return {
    descriptor,
    platform: { os, architecture, ...(variant && { variant }) },
    ...(config.created && { created: config.created }),
    config: config.config,
    history: config.history,
    configDescriptor: manifest.config,
    layers: layers.map((layer, at) => ({ ...layer, diffID: config.rootfs.diff_ids[at]! })),
    size: layers.reduce((sum, layer) => sum + layer.size, 0),
  };
}

/** The tags of a repository. */
export async function* tags(location: string, options: LookOptions = {}): AsyncGenerator<string> {
  if (location.startsWith(storePrefix)) repositoryReference(location.slice(storePrefix.length));
  await using opened = open(location, { ...options, names: "repository" });
  if (opened.reference !== undefined && (isDigest(opened.reference) || location.endsWith(`:${opened.reference}`))) {
    throw new GantryError("USAGE", `${location}: name a repository, without a tag or a digest`);
  }
  try {
    yield* opened.registry.tags(opened.repo, options);
  } catch (error) {
    throw opened.kind === "layout" && isGantryError(error, "NAME_UNKNOWN")
      ? await withRepositories(error, opened)
      : error;
  }
}

/** The error for a repository that a layout does not have; it lists those that it has. */
async function withRepositories(error: GantryError, { registry }: Opened): Promise<GantryError> {
  const found: string[] = [];
  try {
    for await (const name of registry.repositories()) found.push(name);
  } catch {
    return error;
  }
  const text =
    found.length === 0
      ? "it has none"
      : `it has ${found.join(", ")}: list one with \`gantry ls ${registry.name}:REPO\``;
  return new GantryError(error.code, `${error.message}; ${text}`, { cause: error, details: { repositories: found } });
}
