import { GantryError, messageOf } from "../base/error.ts";
import type { Limits } from "../base/limits.ts";
import { decompressor } from "../compression/decompress.ts";
import type { Content } from "../content/content.ts";
import { TreeApplier } from "./apply.ts";
import { LayerConsumer, type LayerJob } from "./job.ts";
import { type AppliedTree, unpackError } from "./report.ts";
import { Ring } from "./ring.ts";
import type { WorkerData, WorkerResult } from "./worker-messages.ts";
import { workerScript } from "./worker-script.ts";

export interface PipelineOptions {
  readonly limits: Limits;
  readonly signal?: AbortSignal | undefined;
  readonly strict?: boolean | undefined;
  /** The directory that the tree is to become, for messages. */
  readonly name: string;
  /** Told the inflated bytes so far, a few times a second. */
  readonly onBytes?: ((bytes: number) => void) | undefined;
}

/** How long a worker may go on after it was told to stop. Milliseconds. */
const STOP_GRACE_MS = 2_000;
const PROGRESS_MS = 100;
/** Deep enough that runs of small files and runs of large ones overlap; 32 MiB. */
const RING_SLOTS = 32;

/** How long this thread is kept from everything else. Milliseconds. */
const TURN_MS = 20;
/** Inflated bytes between two looks at the clock: as entries without data they are a hundred files. */
const PIECE_SIZE = 64 << 10;

/** In this thread, layer after layer; others get their turn often, however many files a few bytes make. */
export async function applyInThread(
  root: string,
  jobs: readonly LayerJob[],
  open: (job: LayerJob) => Promise<Content>,
  options: PipelineOptions,
): Promise<AppliedTree> {
  const { limits, signal, strict } = options;
  const check = (): void => signal?.throwIfAborted();
  const applier = new TreeApplier(root, { limits, strict, check });
  const consumer = new LayerConsumer(applier, jobs, limits);
  const buffer = Buffer.allocUnsafe(PIECE_SIZE);
  let turn = performance.now();
  const pause = (): Promise<void> | undefined => {
    if (performance.now() - turn < TURN_MS) return undefined;
    return new Promise((resolve) => {
      setImmediate(() => {
        turn = performance.now();
        resolve();
      });
    });
  };
  const sink = {
    next: () => buffer,
    commit(length: number) {
      consumer.push(buffer.subarray(0, length));
      options.onBytes?.(consumer.bytes);
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
    throw await unpackError(error, root, options.name);
  } finally {
    applier.abandon();
  }
  return { entries: applier.entries, bytes: consumer.bytes, warnings: applier.warnings, root: applier.root };
}

/**
 * In two workers: one reads, verifies and inflates, the other hashes, parses and writes. They share a ring; this
 * thread only waits.
 */
export async function applyInWorkers(
  root: string,
  jobs: readonly LayerJob[],
  options: PipelineOptions,
): Promise<AppliedTree> {
  const { Worker } = await import("node:worker_threads");
  const { limits, signal, strict, name } = options;
  const ring = new Ring({ slots: RING_SLOTS });
  const counter = new SharedArrayBuffer(8);
  const script = workerScript();
  const start = (role: WorkerData["role"]): { result: Promise<WorkerResult>; terminate: () => Promise<unknown> } => {
    const workerData: WorkerData = { role, ring: ring.handle, jobs, limits, root, name, strict, counter };
    const worker = new Worker(script, { workerData });
    const result = new Promise<WorkerResult>((resolve) => {
      const fail = (why: string): void => {
        ring.stop();
        resolve({ type: "failed", error: { code: "WORKER_FAILED", message: `the ${role} worker ${why}` } });
      };
      let said = false;
      worker.once("message", (message: WorkerResult) => {
        said = true;
        resolve(message);
      });
      worker.once("error", (error) => fail(`failed: ${messageOf(error)}`));
      worker.once("exit", (code) => {
        if (!said) fail(`ended early with code ${code}`);
      });
    });
    return { result, terminate: () => worker.terminate() };
  };
  const workers = [start("inflate"), start("apply")];
  const ticker = setInterval(() => options.onBytes?.(Number(Atomics.load(new BigInt64Array(counter), 0))), PROGRESS_MS);
  let grace: NodeJS.Timeout | undefined;
  const onAbort = (): void => {
    ring.stop();
    grace = setTimeout(() => workers.forEach((worker) => void worker.terminate()), STOP_GRACE_MS);
  };
  signal?.addEventListener("abort", onAbort, { once: true });
  if (signal?.aborted) onAbort();
  try {
    const results = await Promise.all(workers.map((worker) => worker.result));
    signal?.throwIfAborted();
    const failed = results.find((result) => result.type === "failed");
    if (failed) throw GantryError.fromRecord(failed.error);
    const done = results[1]!;
    if (done.type !== "done") throw new GantryError("WORKER_FAILED", "the workers stopped without a reason");
    options.onBytes?.(done.bytes);
    return done;
  } finally {
    clearInterval(ticker);
    clearTimeout(grace);
    signal?.removeEventListener("abort", onAbort);
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
}
