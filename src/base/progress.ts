/** One event of a long operation. Bars, plain lines and NDJSON print the same events. */
export type ProgressEvent =
  /** A piece of work begins. `total` is in bytes, and absent if it is unknown. */
  | { readonly type: "start"; readonly id: string; readonly label: string; readonly total?: number | undefined }
  /** Bytes done so far, out of `total`. */
  | { readonly type: "advance"; readonly id: string; readonly done: number }
  /** The piece of work has ended: done, skipped because the content exists, mounted, or failed. */
  | { readonly type: "end"; readonly id: string; readonly result: "done" | "exists" | "mounted" | "failed" }
  /** A message for the user: a retry, a wait that the registry asked for. */
  | { readonly type: "message"; readonly level: "info" | "warning"; readonly text: string };

export type Progress = (event: ProgressEvent) => void;

/** Options that every long operation takes. */
export interface OperationOptions {
  readonly signal?: AbortSignal | undefined;
  readonly progress?: Progress | undefined;
}
