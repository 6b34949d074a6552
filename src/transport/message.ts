import type { Body, ChunkWriter } from "../content/content.ts";

export type Method = "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE";

export interface HttpRequest {
  readonly method: Method;
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Sent only to the origin of `url`; never to where a redirect leads, nor after one led elsewhere. */
  readonly authorization?: string | undefined;
  /** The body: bytes, or a pump with its length in bytes (chunked where the length is unknown). */
  readonly body?:
    | Uint8Array
    | { readonly size?: number | undefined; pump(write: ChunkWriter, signal?: AbortSignal): Promise<void> }
    | undefined;
  /** Which redirects of a GET or HEAD are followed: all that are safe, or only those that stay at the origin. */
  readonly redirects?: "all" | "own" | undefined;
  /** Whether its answer is a long body that is read while other requests go on. */
  readonly streams?: boolean | undefined;
  /** Leave out all that says who we are, configured headers and certificates too. */
  readonly anonymous?: boolean | undefined;
  /** Milliseconds that the answer may take beyond what others may: for what the server has to hash first. */
  readonly patience?: number | undefined;
  /** Whether sending it again is harmless. Default: yes for GET and HEAD. */
  readonly repeatable?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface HttpResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** Where the response came from, after redirects. */
  readonly url: URL;
  /** Whether the home of the transport is at a private address, so that it may lead to others. */
  readonly isPrivate: boolean;
  readonly body: Body;
  /** What the server says (a header, an address, a message), as it may be shown. */
  redact(text: string): string;
  /** The whole body, at most `limit` bytes. */
  bytes(limit: number, what: string): Promise<Buffer>;
  /** Releases the connection without a look at the body. */
  discard(): Promise<void>;
}
