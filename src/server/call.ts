import type { IncomingMessage, ServerResponse } from "node:http";
import type { Limits } from "../base/limits.ts";
import type { Registry } from "../registry/registry.ts";
import type { OpenUploads } from "./open-uploads.ts";

/** What all requests of one server have in common. */
export interface Served {
  readonly registry: Registry;
  readonly limits: Limits;
  readonly allowDelete: boolean;
  readonly uploads: OpenUploads;
  /** What was found out about the registry. */
  readonly known: { listsReferrers?: boolean | undefined };
  /** A request whose body stops coming for this long is cut off. Milliseconds. */
  readonly bodyIdleMs: number;
}

/** One request, and what it is answered from. */
export interface Call extends Served {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly url: URL;
  /** Aborts when the client has gone away. */
  readonly signal: AbortSignal;
}
