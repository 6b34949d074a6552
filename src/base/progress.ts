/** One event of a long operation. Bars, plain lines and NDJSON are three printers of this one stream. */
export type ProgressEvent =
  /** A piece of work is known; `total` is bytes, absent where nobody declared it. */
  | { readonly type: "start"; readonly id: string; readonly label: string; readonly total?: number | undefined }
  /** Bytes done so far, out of `total`. */
  | { readonly type: "advance"; readonly id: string; readonly done: number }
  /** The piece is finished. `result` says how: moved, already there, mounted. */
  | { readonly type: "end"; readonly id: string; readonly result: "done" | "exists" | "mounted" | "failed" }
  /** Something a person wants to know while waiting: a retry, a wait asked for by the registry. */
  | { readonly type: "message"; readonly level: "info" | "warning"; readonly text: string };

export type Progress = (event: ProgressEvent) => void;

/** Options that every long operation takes. */
export interface OperationOptions {
  readonly signal?: AbortSignal | undefined;
  readonly progress?: Progress | undefined;
}
