/**
 * Media types of image-spec media-types.md, of Docker's image manifest v2 and its legacy schema 1, and of the
 * checkpoints that containerd keeps as images. The `foreign` types are deprecated: new images should not use them.
 */
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
  dockerForeignLayer: "application/vnd.docker.image.rootfs.foreign.diff.tar",
  dockerForeignLayerGzip: "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
  dockerSchema1: "application/vnd.docker.distribution.manifest.v1+json",
  dockerSchema1Signed: "application/vnd.docker.distribution.manifest.v1+prettyjws",
  checkpointCriu: "application/vnd.containerd.container.criu.checkpoint.criu.tar",
  checkpointPreDump: "application/vnd.containerd.container.criu.checkpoint.predump.tar",
  checkpointResource: "application/vnd.containerd.container.resource.tar",
  checkpointRw: "application/vnd.containerd.container.rw.tar",
  checkpointConfig: "application/vnd.containerd.container.checkpoint.config.v1+proto",
  checkpointOptions: "application/vnd.containerd.container.checkpoint.options.v1+proto",
  checkpointRuntimeName: "application/vnd.containerd.container.checkpoint.runtime.name",
  checkpointRuntimeOptions: "application/vnd.containerd.container.checkpoint.runtime.options+proto",
  octetStream: "application/octet-stream",
} as const;

const indexTypes: ReadonlySet<string> = new Set([mediaTypes.index, mediaTypes.dockerIndex]);
const manifestTypes: ReadonlySet<string> = new Set([mediaTypes.manifest, mediaTypes.dockerManifest]);
const configTypes: ReadonlySet<string> = new Set([mediaTypes.config, mediaTypes.dockerConfig]);
const schema1Types: ReadonlySet<string> = new Set([mediaTypes.dockerSchema1, mediaTypes.dockerSchema1Signed]);

const checkpointTypes: ReadonlySet<string> = new Set(
  Object.entries(mediaTypes).flatMap(([name, type]) => (name.startsWith("checkpoint") ? [type] : [])),
);

/** An image index, or Docker's manifest list. */
export const isIndexType = (type: string): boolean => indexTypes.has(type);
/** An image manifest of the OCI or of Docker's schema 2. */
export const isManifestType = (type: string): boolean => manifestTypes.has(type);
/** An image configuration of the OCI or of Docker. */
export const isConfigType = (type: string): boolean => configTypes.has(type);
/** A checkpoint of a container, as containerd stores one. */
export const isCheckpointType = (type: string): boolean => checkpointTypes.has(type);
/** Docker's legacy schema 1 manifests, which can no longer be verified. */
export const isSchema1Type = (type: string): boolean => schema1Types.has(type);

/** The media types in the Accept header of a request for a manifest, preferred first. */
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
  [mediaTypes.dockerForeignLayer, "none"],
  [mediaTypes.dockerForeignLayerGzip, "gzip"],
]);

/** How a layer of this media type is compressed; undefined if the type is not that of a filesystem layer. */
export function layerCompression(type: string): Compression | undefined {
  return layerTypes.get(type);
}

/** A filesystem layer, compressed or not, Docker's and non-distributable ones included. */
export const isLayerType = (type: string): boolean => layerTypes.has(type);

/** Layers that a registry need not hold (image-spec layer.md, "Non-Distributable Layers"). */
export function isForeignLayerType(type: string): boolean {
  return type.includes(".nondistributable.") || type.includes(".rootfs.foreign.");
}
