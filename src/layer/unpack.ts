import { resolve } from "node:path";
import { defaultLimits, type Limits } from "../base/limits.ts";
import type { OperationOptions } from "../base/progress.ts";
import type { Provider } from "../content/source.ts";
import { fileSystemError } from "../sys/fs-error.ts";
import { applyInThread } from "./in-thread.ts";
import { applyInWorkers } from "./in-workers.ts";
import { type ImageSource, type LayerJob, layerJobs, withFiles } from "./job.ts";
import type { AppliedTree, ApplyReport, PipelineOptions } from "./pipeline.ts";
import { Staging } from "./staging.ts";

export interface UnpackOptions extends OperationOptions {
  readonly limits?: Limits | undefined;
  /** 0 does everything in this thread. Default: two workers, or none for small images. */
  readonly workers?: 0 | 2 | undefined;
  /** Fail if something cannot be kept (a device without root, an attribute), instead of leaving it out with a warning. */
  readonly strict?: boolean | undefined;
}

/** For smaller images, starting workers costs more time than they save. Compressed bytes. */
const SMALL_IMAGE = 4 << 20;

/**
 * Makes `rootfs` the file system of an image. Every layer is verified against its descriptor and its diffID, and applied
 * in a staging directory; the complete tree is then moved into place. After a failure nothing is left.
 * @throws TARGET_NOT_EMPTY unless `rootfs` is missing or an empty directory; DIFF_ID_MISMATCH, DIGEST_MISMATCH,
 * SIZE_MISMATCH, BLOB_UNKNOWN, INVALID_LAYER, INVALID_TAR, UNSUPPORTED_TAR, LINK_LOOP, UNSUPPORTED_COMPRESSION,
 * UNSUPPORTED_MEDIA_TYPE, UNSUPPORTED (strict), LIMIT_EXCEEDED, NO_SPACE, FILE_SYSTEM, WORKER_FAILED
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
    const placed = await withFiles(jobs, provider, signal);
    if (placed) return applyInWorkers(tree, placed, pipeline);
  }
  return applyInThread(tree, jobs, (job) => provider.read(job.descriptor, { signal }), pipeline);
}
