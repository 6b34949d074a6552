import type { ChunkWriter } from "../content/chunk-writer.ts";
import type { Body } from "../content/content.ts";

type Method = "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE";

/** A body that is written piece by piece; it cannot be sent twice. */
export interface StreamedBody {
  /** Bytes. A body of unknown size is sent chunked. */
  readonly size?: number | undefined;
  pump(write: ChunkWriter, signal?: AbortSignal): Promise<void>;
}

export interface HttpRequest {
  readonly method: Method;
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Sent only to the origin of `url`, and never again after a redirect has left that origin. */
  readonly authorization?: string | undefined;
  readonly body?: Uint8Array | StreamedBody | undefined;
  /** Which redirects of a GET or HEAD are followed: all that are safe, or only those that stay at the origin. */
  readonly redirects?: "all" | "own" | undefined;
  /** Whether the answer is a long body, read while other requests run. */
  readonly streams?: boolean | undefined;
  /** Leave out all that identifies the client: credentials, configured headers, the client certificate. */
  readonly anonymous?: boolean | undefined;
  /** Milliseconds that the answer may take beyond the usual timeout, for example while the server hashes a blob. */
  readonly patience?: number | undefined;
  /** Whether sending it again is harmless. Default: yes for GET and HEAD. */
  readonly repeatable?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A request with both signals that end it: `signal` of its caller, and `closed`, which aborts on close of the client. */
export type StoppableRequest = HttpRequest & { readonly signal: AbortSignal; readonly closed: AbortSignal };

export function isStreamed(body: HttpRequest["body"]): body is StreamedBody {
  return body !== undefined && "pump" in body;
}

export interface HttpResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** Where the response came from, after redirects. */
  readonly url: URL;
  /** Whether the home of the transport is at a private address; only then may it lead to others. */
  readonly isPrivate: boolean;
  readonly body: Body;
  /** Text of the server (a header, an address, a message), with secrets taken out. */
  redact(text: string): string;
  /** The whole body. @throws LIMIT_EXCEEDED above `limit` bytes, TRANSFER_INTERRUPTED */
  bytes(limit: number, what: string): Promise<Buffer>;
  /** Releases the connection without returning the body. */
  discard(): Promise<void>;
}
