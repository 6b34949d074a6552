import type { ResolvedImage } from "../images/select.ts";
import type { Descriptor, Image, Manifest, Platform } from "../spec/types.ts";

/** One image of a location: its layers and what it runs. */
export interface ImageSummary {
  readonly descriptor: Descriptor;
  readonly platform: Platform;
  readonly created?: string | undefined;
  /** What it runs, its environment included. */
  readonly config: Image["config"];
  /** The steps that made its layers, from the base upwards. */
  readonly history?: Image["history"] | undefined;
  /** The configuration itself. */
  readonly configDescriptor: Descriptor;
  readonly layers: readonly (Descriptor & { readonly diffID: string })[];
  /** Sum of the layers' sizes, compressed, in bytes. */
  readonly size: number;
}

/** A manifest that is not an image, or an entry of an index that is not a document, which has no layers. */
export interface ArtifactSummary extends Descriptor {
  /** Its artifactType, else the media type of its config (image-spec manifest.md, "Guidelines for Artifact Usage"). */
  readonly artifactType?: string | undefined;
  readonly layers: readonly Descriptor[];
  /** The digest of the manifest that it describes: its subject, or the annotation of an attestation. */
  readonly about?: string | undefined;
}

export function summarizeImage({
  descriptor,
  manifest,
  config,
}: Pick<ResolvedImage, "descriptor" | "manifest" | "config">): ImageSummary {
  const { layers } = manifest;
  const { os, architecture, variant } = config;
  return {
    descriptor,
    // An empty variant counts as absent.
    platform: { os, architecture, variant: variant || undefined },
    created: config.created || undefined,
    config: config.config,
    history: config.history,
    configDescriptor: manifest.config,
    layers: layers.map((layer, at) => ({ ...layer, diffID: config.rootfs.diff_ids[at]! })),
    size: layers.reduce((sum, layer) => sum + layer.size, 0),
  };
}

export function summarizeArtifact(descriptor: Descriptor, manifest: Manifest): ArtifactSummary {
  const { artifactType, config, layers, subject } = manifest;
  const about = subject?.digest ?? descriptor.annotations?.["vnd.docker.reference.digest"];
  return { ...descriptor, artifactType: artifactType ?? config.mediaType, layers, about };
}
