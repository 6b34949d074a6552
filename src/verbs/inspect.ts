import { isGantryError } from "../base/error.ts";
import { checkLimit, defaultLimits } from "../base/limits.ts";
import { isDocument, type ReadDocument, readConfig, readDocument } from "../images/graph.ts";
import { isAttestation, manifestForPlatform } from "../images/select.ts";
import { ImageReader } from "../registry/image-reader.ts";
import type { Descriptor } from "../spec/types.ts";
import type { Location } from "./location.ts";
import type { LookOptions } from "./look.ts";
import { type Opened, open, referenceOf } from "./open.ts";
import { type ArtifactSummary, type ImageSummary, summarizeArtifact, summarizeImage } from "./summary.ts";

export interface Inspection {
  readonly name: string;
  readonly descriptor: Descriptor;
  /** The artifactType of an index. */
  readonly artifactType?: string | undefined;
  readonly images: readonly ImageSummary[];
  /** Attestations and other artifacts. */
  readonly artifacts: readonly ArtifactSummary[];
  /**
   * Entries of indexes whose documents are missing, as in a partial image, or cannot be verified because the algorithm
   * of their digest is not known.
   */
  readonly missing: readonly Descriptor[];
  /** Signatures, SBOMs and other artifacts of this image; absent where the registry does not list them. */
  readonly referrers?: readonly Descriptor[] | undefined;
}

/** Inspects an image and everything below it. Layers are not fetched. */
export async function inspect(location: string | Location, options: LookOptions = {}): Promise<Inspection> {
  await using opened = open(location, options);
  const { name } = opened;
  const reader = new ImageReader(opened.registry, opened.repo);
  const { descriptor } = await reader.getManifest(await referenceOf(opened), options);
  if (options.platform) {
    const chosen = await manifestForPlatform(reader, descriptor, { ...options, what: name });
    const referrers = await referrersOf(opened, chosen.descriptor, options);
    return { name, descriptor, images: [summarizeImage(chosen)], artifacts: [], missing: [], referrers };
  }
  const graph = new GraphInspection(reader, name, options);
  await graph.visit(descriptor, 0);
  const { artifactType, images, artifacts, missing } = graph;
  const referrers = await referrersOf(opened, descriptor, options);
  return { name, descriptor, artifactType, images, artifacts, missing, referrers };
}

/** Visits every document below the top one, each once. */
class GraphInspection {
  artifactType: string | undefined;
  readonly images: ImageSummary[] = [];
  readonly artifacts: ArtifactSummary[] = [];
  readonly missing: Descriptor[] = [];
  readonly #seen = new Set<string>();
  readonly #reader: ImageReader;
  readonly #name: string;
  readonly #options: LookOptions;

  constructor(reader: ImageReader, name: string, options: LookOptions) {
    this.#reader = reader;
    this.#name = name;
    this.#options = options;
  }

  async visit(descriptor: Descriptor, depth: number): Promise<void> {
    if (this.#seen.has(descriptor.digest)) return;
    this.#seen.add(descriptor.digest);
    const limits = this.#options.limits ?? defaultLimits;
    checkLimit(limits, "graphNodes", this.#seen.size, this.#name);
    if (depth > 0 && !isDocument(descriptor)) return void this.artifacts.push({ ...descriptor, layers: [] });
    const read = await this.#read(descriptor, depth);
    if (!read) return void this.missing.push(descriptor);
    const { document } = read;
    if (document.kind === "index") {
      if (depth === 0) this.artifactType = document.index.artifactType;
      checkLimit(limits, "graphDepth", depth + 1, `${this.#name}: the nesting of its indexes`);
      for (const entry of document.index.manifests) await this.visit(entry, depth + 1);
      return;
    }
    const { manifest } = document;
    const isImage =
      !isAttestation(descriptor) &&
      !manifest.artifactType &&
      /container\.image\.v1|image\.config\.v1/.test(manifest.config.mediaType);
    if (!isImage) return void this.artifacts.push(summarizeArtifact(descriptor, manifest));
    const config = await readConfig(this.#reader, manifest, this.#options);
    this.images.push(summarizeImage({ descriptor, manifest, config }));
  }

  /** A document; undefined for an entry of an index that is missing or cannot be verified. */
  async #read(descriptor: Descriptor, depth: number): Promise<ReadDocument | undefined> {
    try {
      return await readDocument(this.#reader, descriptor, this.#options);
    } catch (error) {
      if (depth > 0 && isGantryError(error) && /_UNKNOWN$|^UNSUPPORTED_ALGORITHM$/.test(error.code)) return undefined;
      throw error;
    }
  }
}

/** Undefined where the registry refuses to list them: the inspection does not fail then. */
async function referrersOf(
  { registry, repo }: Opened,
  { digest }: Descriptor,
  options: LookOptions,
): Promise<readonly Descriptor[] | undefined> {
  const referrers: Descriptor[] = [];
  try {
    for await (const descriptor of registry.referrers(repo, digest, options)) referrers.push(descriptor);
    return referrers;
  } catch (error) {
    if (!isGantryError(error, "UNSUPPORTED", "DENIED", "UNAUTHORIZED", "REGISTRY_ERROR")) throw error;
    return undefined;
  }
}
