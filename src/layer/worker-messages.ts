import type { ErrorRecord } from "../base/error.ts";
import type { Limits } from "../base/limits.ts";
import type { LayerJob } from "./job.ts";
import type { AppliedTree } from "./pipeline.ts";
import type { RingHandle } from "./ring.ts";

/** The data that a worker starts with. */
export interface WorkerData {
  readonly role: "inflate" | "apply";
  readonly ring: RingHandle;
  readonly jobs: readonly LayerJob[];
  readonly limits: Limits;
  /** The directory to apply to. */
  readonly root: string;
  /** The directory that the tree is to become, for messages. */
  readonly name: string;
  readonly strict: boolean | undefined;
  /** Inflated bytes so far, for progress. */
  readonly counter: SharedArrayBuffer;
}

/** The one message that a worker sends, before it ends. */
export type WorkerResult =
  | (AppliedTree & { readonly type: "done" })
  | { readonly type: "read" }
  | { readonly type: "stopped" }
  | { readonly type: "failed"; readonly error: ErrorRecord };
