import type { OutgoingHttpHeaders } from "node:http";
import type { Body } from "../content/content.ts";
import type { Call } from "./call.ts";

/** Answers with a whole body, or with its headers alone where they are all that was asked for. */
export function sendBytes(call: Call, bytes: Buffer | string, headers: OutgoingHttpHeaders): void {
  call.response.writeHead(200, { "content-length": Buffer.byteLength(bytes), ...headers });
  call.response.end(call.request.method === "HEAD" ? undefined : bytes);
}

export function sendJson(call: Call, value: object, headers: OutgoingHttpHeaders = {}): void {
  sendBytes(call, JSON.stringify(value), { "content-type": "application/json", ...headers });
}

/** Answers without a body. */
export function sendStatus(call: Call, status: number, headers: OutgoingHttpHeaders = {}): void {
  call.response.writeHead(status, headers).end();
}

/** Sends a body behind headers that were written already. */
export async function pumpTo({ response, signal }: Call, body: Body): Promise<void> {
  try {
    await body.pump((chunk) => {
      if (response.destroyed) throw signal.reason;
      // Lent chunks must be copied: the socket keeps what it cannot send yet.
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
