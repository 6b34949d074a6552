import type { OutgoingHttpHeaders } from "node:http";
import { withoutUndefined } from "../base/defined.ts";
import type { Body } from "../content/content.ts";
import type { Call } from "./call.ts";

/** The status and the headers of an answer. Headers that are undefined, for which node:http throws, are left out. */
export function sendHead(call: Call, status: number, headers: OutgoingHttpHeaders): void {
  call.response.writeHead(status, withoutUndefined(headers));
}

/** Answers with a whole body, and a HEAD with its headers alone. */
export function sendBytes(call: Call, bytes: Buffer | string, headers: OutgoingHttpHeaders): void {
  sendHead(call, 200, { "content-length": Buffer.byteLength(bytes), ...headers });
  call.response.end(call.request.method === "HEAD" ? undefined : bytes);
}

export function sendJson(call: Call, value: object, headers: OutgoingHttpHeaders = {}): void {
  sendBytes(call, JSON.stringify(value), { "content-type": "application/json", ...headers });
}

/** Answers without a body. */
export function sendStatus(call: Call, status: number, headers: OutgoingHttpHeaders = {}): void {
  sendHead(call, status, headers);
  call.response.end();
}

/** Sends a body after its head, as fast as the client reads it. */
export async function sendBody({ response, signal }: Call, body: Body): Promise<void> {
  try {
    await body.pump((chunk) => {
      if (response.destroyed) throw signal.reason;
      // The chunk is only lent, but a socket keeps bytes that it cannot send yet.
      if (response.write(Buffer.from(chunk))) return;
      return new Promise<void>((resolve, reject) => {
        const done = (): void => {
          response.off("drain", done).off("close", done);
          if (response.destroyed) reject(signal.reason);
          else resolve();
        };
        response.on("drain", done).on("close", done);
      });
    }, signal);
    response.end();
  } finally {
    await body.close();
  }
}
