import type { RepoName } from "../../../reference/reference.ts";
import type { Descriptor } from "../../../spec/types.ts";
import type { HttpResponse } from "../../../transport/message.ts";
import type { Transport } from "../../../transport/transport.ts";
import type { CallOptions } from "../../registry.ts";
import type { Exchange } from "../api.ts";
import type { UploadMemory } from "../upload-memory.ts";

/** The repository that a blob is pushed to. */
export interface PushTarget {
  readonly name: string;
  readonly repo: RepoName;
  readonly transport: Transport;
  readonly exchange: Exchange;
  /** Where the unfinished upload is remembered for the next process, and its key there. */
  readonly memory?: { readonly uploads: UploadMemory; readonly key: string } | undefined;
  /** Starts an upload. */
  start(options: CallOptions): Promise<HttpResponse>;
  /** Whether the registry has the blob. */
  has(descriptor: Descriptor, options: CallOptions): Promise<boolean>;
}

/** Additional milliseconds to wait for the answer: registries hash, and may copy, a blob first. 10 MB/s are assumed. */
export const patienceFor = ({ size }: Descriptor): number => size / 10_000;
