import { GantryError, isGantryError } from "../base/error.ts";
import { checkLimit, type Limits } from "../base/limits.ts";
import { algorithmOf, Hasher } from "../spec/digest.ts";
import { TarReader } from "../tar/reader.ts";
import type { TreeApplier } from "./apply.ts";
import type { LayerJob } from "./job.ts";

/** Hashes and applies the inflated bytes of the layers of an image, one layer after the other. */
export class LayerConsumer {
  readonly #applier: TreeApplier;
  readonly #jobs: readonly LayerJob[];
  readonly #limits: Limits;
  #at = 0;
  #hasher: Hasher | undefined;
  #reader: TarReader | undefined;
  #layerBytes = 0;
  #bytes = 0;

  constructor(applier: TreeApplier, jobs: readonly LayerJob[], limits: Limits) {
    this.#applier = applier;
    this.#jobs = jobs;
    this.#limits = limits;
  }

  /** Inflated bytes so far, over all layers. */
  get bytes(): number {
    return this.#bytes;
  }

  push(chunk: Buffer): void {
    const job = this.#jobs[this.#at]!;
    if (!this.#reader) {
      this.#applier.beginLayer();
      this.#hasher = new Hasher(algorithmOf(job.diffID));
      this.#reader = new TarReader(this.#applier, { limits: this.#limits });
    }
    this.#bytes += chunk.length;
    this.#layerBytes += chunk.length;
    checkLimit(this.#limits, "unpackedBytes", this.#bytes, "the unpacked size of the image");
    if (this.#layerBytes > this.#limits.ratioFloorBytes) {
      const ratio = this.#layerBytes / Math.max(1, job.descriptor.size);
      checkLimit(
        this.#limits,
        "ratio",
        Math.floor(ratio),
        `layer ${job.descriptor.digest}: unpacked bytes for each compressed byte`,
      );
    }
    this.#hasher!.update(chunk);
    inLayer(job, () => this.#reader!.push(chunk));
  }

  /** @throws DIFF_ID_MISMATCH */
  endLayer(): void {
    const job = this.#jobs[this.#at]!;
    if (!this.#reader) this.push(Buffer.alloc(0));
    const computed = this.#hasher!.digest();
    // The digest is checked first: if the bytes are wrong, faults in the archive do not matter.
    if (computed !== job.diffID) {
      throw new GantryError(
        "DIFF_ID_MISMATCH",
        `layer ${job.descriptor.digest}: its uncompressed bytes have the digest ${computed}, but the config lists ${job.diffID}; nothing was unpacked`,
        { details: { expected: job.diffID, computed } },
      );
    }
    inLayer(job, () => this.#reader!.finish());
    this.#at += 1;
    this.#reader = undefined;
    this.#layerBytes = 0;
  }
}

/** Adds the layer to errors of the archive and of the tree. */
function inLayer(job: LayerJob, work: () => void): void {
  try {
    work();
  } catch (error) {
    if (!isGantryError(error) || error.message.startsWith("layer ")) throw error;
    throw new GantryError(error.code, `layer ${job.descriptor.digest}: ${error.message}`, {
      cause: error,
      details: { ...error.details, layer: job.descriptor.digest },
    });
  }
}
