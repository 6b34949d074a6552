import type { IncomingMessage, ServerResponse } from "node:http";
import type { Limits } from "../base/limits.ts";
import type { Registry } from "../registry/registry.ts";
import type { OpenUploads } from "./open-uploads.ts";

/** What all requests to one server share. */
export interface Served {
  readonly registry: Registry;
  /** Whether the registry has a method for ranges of blobs, which it may still refuse. */
  readonly ranges: boolean;
  readonly limits: Limits;
  readonly allowDelete: boolean;
  readonly uploads: OpenUploads;
  /** What the server has learnt about the registry. */
  readonly known: { listsReferrers?: boolean | undefined };
  /** A request is cut off when no bytes of its body arrive for this long. Milliseconds. */
  readonly bodyIdleMs: number;
}

/** One request to the server. */
export interface Call extends Served {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly url: URL;
  /** Aborts when the client closes the connection. */
  readonly signal: AbortSignal;
}
