import { decompressor } from "../compression/decompress.ts";
import type { Content } from "../content/content.ts";
import { TreeApplier } from "./apply.ts";
import { LayerConsumer } from "./consumer.ts";
import { DirectoryTarget } from "./directory-target.ts";
import type { LayerJob } from "./job.ts";
import type { AppliedTree, PipelineOptions } from "./pipeline.ts";
import { unpackError } from "./unpack-error.ts";

/** How long this thread works before others have a turn. Milliseconds. */
const TURN_MS = 20;
/** Inflated bytes between two looks at the clock. They can hold a hundred entries without data. */
const PIECE_SIZE = 64 << 10;

/** Applies layers in this thread, one after the other. Others often have a turn, however many files a few bytes make. */
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

/** @returns a function that gives others a turn if this thread has worked long enough */
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
