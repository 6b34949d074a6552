/** Media types of image-spec media-types.md and of Docker's image manifest v2. */
export const mediaTypes = {
  descriptor: "application/vnd.oci.descriptor.v1+json",
  layoutHeader: "application/vnd.oci.layout.header.v1+json",
  index: "application/vnd.oci.image.index.v1+json",
  manifest: "application/vnd.oci.image.manifest.v1+json",
  config: "application/vnd.oci.image.config.v1+json",
  emptyJson: "application/vnd.oci.empty.v1+json",
  layer: "application/vnd.oci.image.layer.v1.tar",
  layerGzip: "application/vnd.oci.image.layer.v1.tar+gzip",
  layerZstd: "application/vnd.oci.image.layer.v1.tar+zstd",
  foreignLayer: "application/vnd.oci.image.layer.nondistributable.v1.tar",
  foreignLayerGzip: "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
  foreignLayerZstd: "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
  dockerIndex: "application/vnd.docker.distribution.manifest.list.v2+json",
  dockerManifest: "application/vnd.docker.distribution.manifest.v2+json",
  dockerConfig: "application/vnd.docker.container.image.v1+json",
  dockerLayer: "application/vnd.docker.image.rootfs.diff.tar",
  dockerLayerGzip: "application/vnd.docker.image.rootfs.diff.tar.gzip",
  dockerLayerZstd: "application/vnd.docker.image.rootfs.diff.tar.zstd",
  dockerForeignLayerGzip: "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
  dockerSchema1: "application/vnd.docker.distribution.manifest.v1+json",
  dockerSchema1Signed: "application/vnd.docker.distribution.manifest.v1+prettyjws",
  octetStream: "application/octet-stream",
} as const;

const indexTypes: ReadonlySet<string> = new Set([mediaTypes.index, mediaTypes.dockerIndex]);
const manifestTypes: ReadonlySet<string> = new Set([mediaTypes.manifest, mediaTypes.dockerManifest]);
const configTypes: ReadonlySet<string> = new Set([mediaTypes.config, mediaTypes.dockerConfig]);
const schema1Types: ReadonlySet<string> = new Set([mediaTypes.dockerSchema1, mediaTypes.dockerSchema1Signed]);

export const isIndexType = (type: string): boolean => indexTypes.has(type);
export const isManifestType = (type: string): boolean => manifestTypes.has(type);
export const isConfigType = (type: string): boolean => configTypes.has(type);
export const isSchema1Type = (type: string): boolean => schema1Types.has(type);

/** What a client asks for when it asks for a manifest, preferred first. */
export const manifestAccept: readonly string[] = [
  mediaTypes.index,
  mediaTypes.manifest,
  mediaTypes.dockerIndex,
  mediaTypes.dockerManifest,
];

export type Compression = "none" | "gzip" | "zstd";

const layerTypes: ReadonlyMap<string, Compression> = new Map<string, Compression>([
  [mediaTypes.layer, "none"],
  [mediaTypes.layerGzip, "gzip"],
  [mediaTypes.layerZstd, "zstd"],
  [mediaTypes.foreignLayer, "none"],
  [mediaTypes.foreignLayerGzip, "gzip"],
  [mediaTypes.foreignLayerZstd, "zstd"],
  [mediaTypes.dockerLayer, "none"],
  [mediaTypes.dockerLayerGzip, "gzip"],
  [mediaTypes.dockerLayerZstd, "zstd"],
  [mediaTypes.dockerForeignLayerGzip, "gzip"],
]);

/** How a layer of this media type is compressed; undefined where the type is no filesystem layer. */
export function layerCompression(type: string): Compression | undefined {
  return layerTypes.get(type);
}

/** Layers that a registry need not hold (image-spec layer.md, "Non-Distributable Layers"). */
export function isForeignLayerType(type: string): boolean {
  return type.includes(".nondistributable.") || type === mediaTypes.dockerForeignLayerGzip;
}

/** Annotation keys of image-spec annotations.md that gantry itself reads or writes. */
export const annotationRefName = "org.opencontainers.image.ref.name";
