import { parentPort, workerData } from "node:worker_threads";
import { GantryError, isGantryError, messageOf } from "../base/error.ts";
import { decompressor } from "../compression/decompress.ts";
import { fileContent } from "../content/source.ts";
import { TreeApplier } from "./apply.ts";
import { LayerConsumer } from "./consumer.ts";
import { DirectoryTarget } from "./directory-target.ts";
import { Ring, RingStopped, SLOT_DATA, SLOT_END, SLOT_LAYER_END } from "./ring.ts";
import { unpackError } from "./unpack-error.ts";
import type { WorkerData, WorkerResult } from "./worker-messages.ts";

/** Reads, verifies and inflates the blobs, layer after layer, into the ring. */
async function inflate({ jobs, limits }: WorkerData, ring: Ring): Promise<WorkerResult> {
  const sink = { next: () => ring.next(), commit: (length: number) => ring.commit(length) };
  for (const { descriptor, file, compression } of jobs) {
    const what = `layer ${descriptor.digest}`;
    const content = await fileContent(descriptor, file!, { what, limits });
    if (!content) throw new GantryError("BLOB_UNKNOWN", `${what} was removed from ${file} meanwhile; try again`);
    await decompressor(compression)((write) => content.pipe(write), sink);
    ring.mark(SLOT_LAYER_END);
  }
  ring.mark(SLOT_END);
  return { type: "read" };
}

/** Hashes, parses and writes the bytes that arrive through the ring. */
function apply({ jobs, limits, root, strict, counter }: WorkerData, ring: Ring): WorkerResult {
  const progress = new BigInt64Array(counter);
  const check = (): void => {
    if (ring.stopped) throw new RingStopped();
  };
  const applier = new TreeApplier(new DirectoryTarget(root, { strict }), { limits, check });
  const consumer = new LayerConsumer(applier, jobs, limits);
  try {
    for (let ended = false; !ended; ) {
      ring.take((kind, bytes) => {
        if (kind === SLOT_DATA) consumer.push(bytes);
        else if (kind === SLOT_LAYER_END) consumer.endLayer();
        else ended = true;
        Atomics.store(progress, 0, BigInt(consumer.bytes));
      });
    }
    for (const _ of applier.finish());
  } finally {
    applier.abandon();
  }
  return {
    type: "done",
    entries: applier.entries,
    bytes: consumer.bytes,
    warnings: applier.warnings,
    root: applier.root,
  };
}

async function main(data: WorkerData): Promise<WorkerResult> {
  const ring = new Ring(data.ring);
  try {
    return data.role === "inflate" ? await inflate(data, ring) : apply(data, ring);
  } catch (thrown) {
    ring.stop();
    if (thrown instanceof RingStopped) return { type: "stopped" };
    const error = await unpackError(thrown, data.root, data.name);
    if (isGantryError(error)) return { type: "failed", error: error.toRecord() };
    const message = `the ${data.role} worker failed: ${messageOf(error)}`;
    return { type: "failed", error: { code: "WORKER_FAILED", message } };
  }
}

parentPort?.postMessage(await main(workerData as WorkerData));
