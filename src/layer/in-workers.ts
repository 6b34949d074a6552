import type { Worker } from "node:worker_threads";
import { GantryError, messageOf } from "../base/error.ts";
import type { LayerJob } from "./job.ts";
import type { AppliedTree, PipelineOptions } from "./pipeline.ts";
import { Ring } from "./ring.ts";
import type { WorkerData, WorkerResult } from "./worker-messages.ts";
import { workerScript } from "./worker-script.ts";

/** How long a worker may still run after it was told to stop. Milliseconds. */
const STOP_GRACE_MS = 2_000;
const PROGRESS_MS = 100;
/** Deep enough that runs of small files and runs of large ones overlap; 32 MiB. */
const RING_SLOTS = 32;

/**
 * Applies layers in two workers: one reads, verifies and inflates, the other hashes, parses and writes. They share a
 * ring, and this thread only waits. Every job names the file of its blob.
 * @throws WORKER_FAILED if a worker ends without a result, the errors that the workers report
 */
export async function applyInWorkers(
  root: string,
  jobs: readonly LayerJob[],
  { limits, signal, strict, name, onBytes }: PipelineOptions,
): Promise<AppliedTree> {
  const threads = await import("node:worker_threads");
  const ring = new Ring({ slots: RING_SLOTS });
  const counter = new SharedArrayBuffer(8);
  const script = await workerScript();
  const start = (role: WorkerData["role"]): Worker => {
    const workerData: WorkerData = { role, ring: ring.handle, jobs, limits, root, name, strict, counter };
    return new threads.Worker(script, { workerData });
  };
  const inflater = start("inflate");
  const applier = start("apply");
  const terminate = (): Promise<unknown> => Promise.all([inflater.terminate(), applier.terminate()]);
  const bytes = new BigInt64Array(counter);
  const ticker = setInterval(() => onBytes?.(Number(Atomics.load(bytes, 0))), PROGRESS_MS);
  let grace: NodeJS.Timeout | undefined;
  const onAbort = (): void => {
    ring.stop();
    grace = setTimeout(() => void terminate(), STOP_GRACE_MS);
  };
  signal?.addEventListener("abort", onAbort, { once: true });
  if (signal?.aborted) onAbort();
  try {
    const [read, done] = await Promise.all([resultOf(inflater, "inflate", ring), resultOf(applier, "apply", ring)]);
    signal?.throwIfAborted();
    const failed = [read, done].find((result) => result.type === "failed");
    if (failed) throw GantryError.fromRecord(failed.error);
    if (done.type !== "done") throw new GantryError("WORKER_FAILED", "the workers stopped without a result");
    const { type: _type, ...tree } = done;
    onBytes?.(tree.bytes);
    return tree;
  } finally {
    clearInterval(ticker);
    clearTimeout(grace);
    signal?.removeEventListener("abort", onAbort);
    await terminate();
  }
}

/** The result of a worker. If it ends without one, the ring is stopped, so that the other worker ends too. */
function resultOf(worker: Worker, role: WorkerData["role"], ring: Ring): Promise<WorkerResult> {
  return new Promise((resolve) => {
    let reported = false;
    const fail = (why: string): void => {
      ring.stop();
      resolve({ type: "failed", error: { code: "WORKER_FAILED", message: `the ${role} worker ${why}` } });
    };
    worker.once("message", (result: WorkerResult) => {
      reported = true;
      resolve(result);
    });
    worker.once("error", (error) => fail(`failed: ${messageOf(error)}`));
    worker.once("exit", (code) => {
      if (!reported) fail(`ended early with code ${code}`);
    });
  });
}
