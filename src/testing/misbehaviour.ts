import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from "node:http";

/** A way to misbehave. Numbers of bytes refer to the body of the response. */
export type Misbehaviour =
  /** One bit of the body is wrong. */
  | { readonly kind: "corrupt" }
  /** The connection is closed after `after` bytes, whatever length was declared. */
  | { readonly kind: "cut"; readonly after: number }
  /** The last `bytes` of the body are missing, and the declared length fits. */
  | { readonly kind: "short"; readonly bytes: number }
  /** The body has `bytes` more, and the declared length fits. */
  | { readonly kind: "long"; readonly bytes: number }
  /** No more bytes are sent after `after` bytes; the connection stays open. */
  | { readonly kind: "stall"; readonly after: number }
  /** Each chunk of the body, at most 1 MiB, is sent after `ms` milliseconds. */
  | { readonly kind: "slow"; readonly ms: number }
  /** The request is answered with a status, and with `retryAfter` as the Retry-After header. */
  | { readonly kind: "status"; readonly status: number; readonly retryAfter?: string | undefined }
  /** The request is redirected (307). `to` gets the path of the request, and returns the Location. */
  | { readonly kind: "redirect"; readonly to: (path: string) => string }
  /** Lists name no next page. */
  | { readonly kind: "noLink" }
  /** Location headers are whole URLs instead of paths. */
  | { readonly kind: "absoluteLocation" }
  /** Range requests are answered with the whole blob. */
  | { readonly kind: "noRange" }
  /** The body is replaced, and the declared length fits. */
  | { readonly kind: "replace"; readonly body: Buffer };

/** Applies a fault. @returns true where the request has been answered */
export function misbehave(on: Misbehaviour, request: IncomingMessage, response: ServerResponse): boolean {
  switch (on.kind) {
    case "status": {
      const headers: OutgoingHttpHeaders = on.retryAfter === undefined ? {} : { "retry-after": on.retryAfter };
      request.resume();
      response.writeHead(on.status, headers).end();
      return true;
    }
    case "redirect":
      response.writeHead(307, { location: on.to(request.url ?? "") }).end();
      return true;
    case "noRange":
      delete request.headers.range;
      return false;
    case "noLink":
      bendHeaders(response, (headers) => delete headers["link"]);
      return false;
    case "absoluteLocation":
      bendHeaders(response, (headers) => {
        const { location } = headers;
        if (typeof location === "string") headers["location"] = `http://${request.headers.host}${location}`;
      });
      return false;
    case "slow": {
      const write = response.write.bind(response) as (chunk: Buffer) => boolean;
      response.write = ((chunk: Buffer) => {
        setTimeout(() => {
          write(chunk);
          response.emit("drain");
        }, on.ms);
        return false;
      }) as typeof response.write;
      return false;
    }
    case "cut":
    case "stall":
      bendBody(response, () => {}, cutAfter(on.after, on.kind === "cut", response));
      return false;
    default:
      bendWhole(response, (body) => changed(on, body));
      return false;
  }
}

function changed(on: Misbehaviour, body: Buffer): Buffer {
  if (on.kind === "replace") return on.body;
  if (on.kind === "short") return body.subarray(0, Math.max(0, body.length - on.bytes));
  if (on.kind === "long") return Buffer.concat([body, Buffer.alloc(on.bytes, "x")]);
  const copy = Buffer.from(body);
  if (copy.length > 0) copy[copy.length >> 1] = copy[copy.length >> 1]! ^ 1;
  return copy;
}

type WriteHead = (status: number, headers?: OutgoingHttpHeaders) => ServerResponse;

function bendHeaders(response: ServerResponse, bend: (headers: OutgoingHttpHeaders) => void): void {
  const writeHead = response.writeHead.bind(response) as WriteHead;
  response.writeHead = ((status: number, headers: OutgoingHttpHeaders = {}) => {
    const copy = { ...headers };
    bend(copy);
    return writeHead(status, copy);
  }) as typeof response.writeHead;
}

/** Passes each chunk of the body through `take`, which returns the bytes to send. */
function bendBody(
  response: ServerResponse,
  bend: (headers: OutgoingHttpHeaders) => void,
  take: (chunk: Buffer) => Buffer,
): void {
  bendHeaders(response, bend);
  const write = response.write.bind(response) as (chunk: Buffer) => boolean;
  const end = response.end.bind(response) as (chunk?: Buffer) => ServerResponse;
  response.write = ((chunk: Buffer) => write(take(Buffer.from(chunk)))) as typeof response.write;
  response.end = ((chunk?: Buffer | string) =>
    end(chunk === undefined ? undefined : take(Buffer.from(chunk as Buffer)))) as typeof response.end;
}

function cutAfter(after: number, close: boolean, response: ServerResponse): (chunk: Buffer) => Buffer {
  let sent = 0;
  let over = false;
  const { socket } = response;
  return (chunk) => {
    const room = Math.max(0, after - sent);
    sent += Math.min(room, chunk.length);
    if (chunk.length > room && !over) {
      over = true;
      // The sent bytes must arrive before the connection is closed.
      setTimeout(() => {
        if (close) socket?.destroy();
      }, 20);
      response.end = (() => response) as typeof response.end;
      response.write = (() => true) as typeof response.write;
    }
    return chunk.subarray(0, room);
  };
}

/** Holds the whole body back, changes it, and declares its new length. */
function bendWhole(response: ServerResponse, change: (body: Buffer) => Buffer): void {
  const chunks: Buffer[] = [];
  let head: { status: number; headers: OutgoingHttpHeaders } | undefined;
  const writeHead = response.writeHead.bind(response) as WriteHead;
  const end = response.end.bind(response) as (chunk?: Buffer) => ServerResponse;
  response.writeHead = ((status: number, headers: OutgoingHttpHeaders = {}) => {
    head = { status, headers };
    return response;
  }) as typeof response.writeHead;
  response.write = ((chunk: Buffer) => {
    chunks.push(Buffer.from(chunk));
    return true;
  }) as typeof response.write;
  response.end = ((chunk?: Buffer | string) => {
    if (chunk !== undefined) chunks.push(Buffer.from(chunk as Buffer));
    const isHead = response.req.method === "HEAD";
    const body = change(Buffer.concat(chunks));
    const { status, headers } = head ?? { status: 200, headers: {} };
    writeHead(status, isHead ? headers : { ...headers, "content-length": body.length });
    return isHead ? end() : end(body);
  }) as typeof response.end;
}
