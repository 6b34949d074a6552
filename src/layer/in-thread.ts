import { decompressor } from "../compression/decompress.ts";
import type { Content } from "../content/content.ts";
import { TreeApplier } from "./apply.ts";
import { LayerConsumer } from "./consumer.ts";
import { DirectoryTarget } from "./directory-target.ts";
import type { LayerJob } from "./job.ts";
import type { AppliedTree, PipelineOptions } from "./pipeline.ts";
import { unpackError } from "./unpack-error.ts";

/** How long this work keeps the thread before other tasks get a turn. Milliseconds. */
const TURN_MS = 20;
/** Inflated bytes between two looks at the clock: at most 128 entries without data. */
const PIECE_SIZE = 64 << 10;

/** Applies layers in this thread, one after the other. Other tasks get regular turns, however small the files are. */
export async function applyInThread(
  root: string,
  jobs: readonly LayerJob[],
  open: (job: LayerJob) => Promise<Content>,
  { limits, signal, strict, name, onBytes }: PipelineOptions,
): Promise<AppliedTree> {
  const check = (): void => signal?.throwIfAborted();
  const applier = new TreeApplier(new DirectoryTarget(root, { strict }), { limits, check });
  const consumer = new LayerConsumer(applier, jobs, limits);
  const buffer = Buffer.allocUnsafe(PIECE_SIZE);
  const pause = turns();
  const sink = {
    next: () => buffer,
    commit(length: number) {
      consumer.push(buffer.subarray(0, length));
      onBytes?.(consumer.bytes);
      return pause();
    },
  };
  try {
    for (const job of jobs) {
      const content = await open(job);
      await decompressor(job.compression)((write) => content.pipe(write, { signal }), sink);
      consumer.endLayer();
    }
    for (const _ of applier.finish()) await pause();
  } catch (error) {
    throw await unpackError(error, root, name);
  } finally {
    applier.abandon();
  }
  return { entries: applier.entries, bytes: consumer.bytes, warnings: applier.warnings, root: applier.root };
}

/** @returns a function that gives other tasks a turn if this work has kept the thread long enough */
function turns(): () => Promise<void> | undefined {
  let began = performance.now();
  return () => {
    if (performance.now() - began < TURN_MS) return undefined;
    return new Promise((resolve) => {
      setImmediate(() => {
        began = performance.now();
        resolve();
      });
    });
  };
}
