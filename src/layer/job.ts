import { GantryError } from "../base/error.ts";
import type { Provider } from "../content/source.ts";
import type { Digest } from "../spec/digest.ts";
import { type Compression, layerCompression } from "../spec/media-types.ts";
import type { Descriptor, Image, Manifest } from "../spec/types.ts";

/** An image whose layers are to be applied, and the provider that has their blobs. */
export interface ImageSource {
  readonly manifest: Manifest;
  readonly config: Image;
  readonly provider: Provider;
}

/** A layer to apply: the descriptor of its blob, and the diffID of its inflated bytes. Can be posted to a worker. */
export interface LayerJob {
  readonly descriptor: Pick<Descriptor, "digest" | "size" | "mediaType">;
  readonly diffID: Digest;
  readonly compression: Compression;
  /** The local file that holds the blob. */
  readonly file?: string | undefined;
}

/** @throws UNSUPPORTED_COMPRESSION, UNSUPPORTED_MEDIA_TYPE */
export function layerJobs({ manifest, config }: ImageSource): LayerJob[] {
  return manifest.layers.map((layer, at) => {
    const compression = layerCompression(layer.mediaType);
    if (!compression) {
      throw new GantryError(
        "UNSUPPORTED_MEDIA_TYPE",
        `layer ${layer.digest} is a ${layer.mediaType}, not a filesystem layer`,
      );
    }
    if (compression === "zstd") {
      throw new GantryError(
        "UNSUPPORTED_COMPRESSION",
        `layer ${layer.digest} is compressed with zstd, which is not supported yet; use a gzip variant of the image`,
        { details: { compression } },
      );
    }
    const { digest, size, mediaType } = layer;
    return { descriptor: { digest, size, mediaType }, diffID: config.rootfs.diff_ids[at]!, compression };
  });
}

/**
 * Adds the files of the blobs to the jobs. Workers read the files themselves: bytes never travel as messages. One blob is
 * open at a time, however many layers the image has.
 * @returns undefined if a blob is not in a file
 */
export async function withFiles(
  jobs: readonly LayerJob[],
  provider: Provider,
  signal: AbortSignal | undefined,
): Promise<LayerJob[] | undefined> {
  const placed: LayerJob[] = [];
  for (const job of jobs) {
    await using content = await provider.read(job.descriptor, { signal });
    if (content.file === undefined) return undefined;
    placed.push({ ...job, file: content.file });
  }
  return placed;
}
