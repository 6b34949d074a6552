import { resolve } from "node:path";
import { GantryError } from "../base/error.ts";
import { defaultLimits, type Limits } from "../base/limits.ts";
import type { OperationOptions } from "../base/progress.ts";
import type { Provider } from "../content/source.ts";
import { layerCompression } from "../spec/media-types.ts";
import type { Image, Manifest } from "../spec/types.ts";
import { fileSystemError } from "../sys/fs-error.ts";
import type { LayerJob } from "./job.ts";
import { applyInThread, applyInWorkers, type PipelineOptions } from "./pipeline.ts";
import type { AppliedTree, ApplyReport } from "./report.ts";
import { Staging } from "./staging.ts";

export interface UnpackOptions extends OperationOptions {
  readonly limits?: Limits | undefined;
  /** 0 does everything in this thread. Default: two workers, none for small images. */
  readonly workers?: 0 | 2 | undefined;
  /** Fail where something cannot be kept (a device without root, an attribute), instead of leaving it out. */
  readonly strict?: boolean | undefined;
}

/** Below this, starting workers costs more than they save. Compressed bytes. */
const SMALL_IMAGE = 4 << 20;

/** An image whose layers are to be applied, and the reader that has them. */
export interface ImageSource {
  readonly manifest: Manifest;
  readonly config: Image;
  readonly provider: Provider;
}

/**
 * Makes `rootfs` the file system of an image: every layer verified against its descriptor and its diffID, applied in
 * a directory of our own beside it, and moved into place when all is well. On failure nothing is left.
 * @throws TARGET_NOT_EMPTY unless `rootfs` is absent or an empty directory; DIFF_ID_MISMATCH, DIGEST_MISMATCH,
 * SIZE_MISMATCH, INVALID_LAYER, INVALID_TAR, UNSUPPORTED_COMPRESSION, LIMIT_EXCEEDED, NO_SPACE
 */
export async function unpackImage(
  image: ImageSource,
  rootfs: string,
  options: UnpackOptions = {},
): Promise<ApplyReport> {
  const limits = options.limits ?? defaultLimits;
  const target = resolve(rootfs);
  const jobs = layerJobs(image);
  const staging = await Staging.create(target);
  try {
    const pipeline = { limits, signal: options.signal, strict: options.strict, name: target };
    const { root, ...report } = await applyLayers(image.provider, staging.tree, jobs, options, pipeline);
    options.signal?.throwIfAborted();
    await staging.publish(root);
    return report;
  } catch (error) {
    throw await fileSystemError(error, "unpacking to", target);
  } finally {
    await staging.remove();
    await staging.close();
  }
}

/** @throws UNSUPPORTED_COMPRESSION, UNSUPPORTED_MEDIA_TYPE before anything is done */
function layerJobs({ manifest, config }: ImageSource): LayerJob[] {
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

async function applyLayers(
  provider: Provider,
  tree: string,
  jobs: readonly LayerJob[],
  { progress, workers }: UnpackOptions,
  options: PipelineOptions,
): Promise<AppliedTree> {
  const id = "unpack";
  progress?.({ type: "start", id, label: "unpacking" });
  const pipeline = { ...options, onBytes: (done: number) => progress?.({ type: "advance", id, done }) };
  try {
    const report = await run(provider, tree, jobs, workers, pipeline);
    progress?.({ type: "end", id, result: "done" });
    return report;
  } catch (error) {
    progress?.({ type: "end", id, result: "failed" });
    throw error;
  }
}

async function run(
  provider: Provider,
  tree: string,
  jobs: readonly LayerJob[],
  workers: 0 | 2 | undefined,
  pipeline: PipelineOptions,
): Promise<AppliedTree> {
  const total = jobs.reduce((sum, { descriptor }) => sum + descriptor.size, 0);
  const { signal } = pipeline;
  if (workers !== 0 && total >= SMALL_IMAGE) {
    const placed = await inFiles(provider, jobs, signal);
    if (placed) return applyInWorkers(tree, placed, pipeline);
  }
  return applyInThread(tree, jobs, (job) => provider.read(job.descriptor, { signal }), pipeline);
}

/**
 * The jobs with the files of their blobs, which workers read themselves: bytes never travel as messages. One blob is
 * open at a time, however many layers there are.
 * @returns undefined where a blob is in no file
 */
async function inFiles(
  provider: Provider,
  jobs: readonly LayerJob[],
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
