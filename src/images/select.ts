import { GantryError, isGantryError } from "../base/error.ts";
import { checkLimit, defaultLimits } from "../base/limits.ts";
import type { Provider } from "../content/source.ts";
import { type Digest, isDigest } from "../spec/digest.ts";
import type { Descriptor, Image, Index, Manifest, Platform } from "../spec/types.ts";
import { type GraphOptions, isDocument, type ReadDocument, readConfig, readDocument } from "./graph.ts";
import { compareBuilds, formatFullPlatform, formatPlatform, hostPlatform, platformRank } from "./platform.ts";

/** Platforms of an image: all of them, or those listed. */
export type PlatformChoice = "all" | readonly Platform[];

/**
 * The best entry of an index for a platform: the closest variant; on Windows, the newest build; the first among equals.
 * Attestations are never chosen, and entries with an unknown digest algorithm only if no other fits.
 */
export function selectManifest(index: Index, wanted: Platform): Descriptor | undefined {
  const fitting = index.manifests.flatMap((entry) => {
    const { platform } = entry;
    const rank = platform && isDocument(entry) && !isAttestation(entry) ? platformRank(wanted, platform) : undefined;
    return platform && rank !== undefined ? [{ entry, platform, rank }] : [];
  });
  const readable = fitting.filter(({ entry }) => isDigest(entry.digest));
  const [best] = (readable.length > 0 ? readable : fitting).sort(
    (a, b) => a.rank - b.rank || compareBuilds(b.platform, a.platform),
  );
  return best?.entry;
}

/**
 * Selects the entries of indexes for a choice of platforms, along one walk: in an index below an entry that was chosen
 * for some platforms, only those are selected. If no entry fits, entries without a platform are opened.
 */
export class PlatformSelection {
  readonly #choice: PlatformChoice;
  readonly #provider: Provider;
  readonly #what: string;
  /** The platforms that an entry was chosen for. */
  readonly #wanted = new Map<Digest, readonly Platform[]>();

  constructor(provider: Provider, choice: PlatformChoice, what: string) {
    this.#provider = provider;
    this.#choice = choice;
    this.#what = what;
  }

  /** The selected entries. @throws PLATFORM_NOT_FOUND, which lists the platforms of the index */
  async select(index: Index, digest: Digest, options: GraphOptions = {}): Promise<readonly Descriptor[]> {
    const wanted = this.#wanted.get(digest) ?? this.#choice;
    if (wanted === "all") return index.manifests;
    const chosen = new Map<Descriptor, Platform[]>();
    for (const platform of wanted) {
      const entry = selectManifest(index, platform) ?? (await this.#lookInto(index, platform, options));
      if (!entry) noSuchPlatform(index, platform, this.#what);
      chosen.set(entry, [...(chosen.get(entry) ?? []), platform]);
    }
    for (const [entry, platforms] of chosen) this.#wanted.set(entry.digest, platforms);
    return [...chosen.keys()];
  }

  /** The first entry without a platform that leads to an image for this one. */
  async #lookInto(index: Index, platform: Platform, options: GraphOptions): Promise<Descriptor | undefined> {
    for (const entry of index.manifests) {
      if (!isDocument(entry) || !isDigest(entry.digest) || isAttestation(entry) || entry.platform?.os) continue;
      try {
        await manifestForPlatform(this.#provider, entry, { ...options, platform, what: this.#what });
        return entry;
      } catch (error) {
        if (!isGantryError(error, "PLATFORM_NOT_FOUND", "NOT_AN_IMAGE", "UNSUPPORTED_MEDIA_TYPE")) throw error;
      }
    }
    return undefined;
  }
}

/** The platforms of an index, each once. Attestations are skipped. */
export function platformsOf(index: Index): readonly string[] {
  const images = index.manifests.filter((entry) => !isAttestation(entry));
  return [...new Set(images.flatMap(({ platform }) => (platform?.os ? [formatFullPlatform(platform)] : [])))];
}

/**
 * True for an entry about another entry of the same index, as BuildKit writes provenance and SBOMs. The annotation
 * decides: images may have an unknown platform too.
 */
export function isAttestation({ annotations }: Pick<Descriptor, "annotations">): boolean {
  return annotations?.["vnd.docker.reference.type"] === "attestation-manifest";
}

/** The attestations of an index about one of its entries. */
export function attestationsOf(index: Index, subject: Digest): readonly Descriptor[] {
  return index.manifests.filter(
    (entry) => isAttestation(entry) && entry.annotations?.["vnd.docker.reference.digest"] === subject,
  );
}

function noSuchPlatform(index: Index, platform: Platform, what: string): never {
  const offered = platformsOf(index);
  const choice =
    offered.length > 0 ? `it has ${offered.join(", ")}. Choose one with --platform` : "its entries name no platform";
  throw new GantryError("PLATFORM_NOT_FOUND", `${what} has no image for ${formatFullPlatform(platform)}; ${choice}`, {
    details: { wanted: formatFullPlatform(platform), offered },
  });
}

/** One image: its manifest, its configuration, and the documents on the way to it. */
export interface ResolvedImage {
  readonly descriptor: Descriptor;
  readonly manifest: Manifest;
  readonly config: Image;
  readonly path: readonly ReadDocument[];
}

/**
 * Finds the image for one platform (default: that of this host) from the descriptor of a reference. If that is a single
 * manifest, its platform matters only if `platform` is given.
 * @throws PLATFORM_NOT_FOUND, NOT_AN_IMAGE, errors of reading and decoding
 */
export async function manifestForPlatform(
  provider: Provider,
  root: Descriptor,
  options: GraphOptions & { readonly platform?: Platform | undefined; readonly what?: string | undefined } = {},
): Promise<ResolvedImage> {
  const what = options.what ?? root.digest;
  const wanted = options.platform ?? hostPlatform();
  const selection = new PlatformSelection(provider, [wanted], what);
  const path: ReadDocument[] = [];
  let descriptor = root;
  for (let depth = 1; ; depth += 1) {
    const read = await readDocument(provider, descriptor, options);
    path.push(read);
    const { document } = read;
    if (document.kind === "manifest") {
      if (
        document.manifest.artifactType ||
        !/container\.image\.v1|image\.config\.v1/.test(document.manifest.config.mediaType)
      ) {
        throw new GantryError(
          "NOT_AN_IMAGE",
          `${what} is not a container image: its config is a ${document.manifest.artifactType ?? document.manifest.config.mediaType}`,
        );
      }
      const config = await readConfig(provider, document.manifest, options);
      if (options.platform && config.os && platformRank(wanted, config) === undefined) {
        throw new GantryError(
          "PLATFORM_NOT_FOUND",
          `${what} has no image for ${formatPlatform(wanted)}; it is one image, for ${formatPlatform(config)}`,
        );
      }
      return { descriptor, manifest: document.manifest, config, path };
    }
    checkLimit(options.limits ?? defaultLimits, "graphDepth", depth, `${what}: the depth of nested indexes`);
    const [next] = await selection.select(document.index, descriptor.digest, options);
    // An index that contains itself has no image.
    if (path.some((read) => read.descriptor.digest === next!.digest)) noSuchPlatform(document.index, wanted, what);
    descriptor = next!;
  }
}
