import type { IncomingMessage } from "node:http";
import { GantryError, isGantryError } from "../base/error.ts";
import { checkLimit } from "../base/limits.ts";
import type { Body } from "../content/content.ts";
import { iterableBody } from "../content/source.ts";
import type { Call } from "./call.ts";

/** The body of a request; one that ends early is an error, not the end of the data. */
export function requestBody(request: IncomingMessage): Body {
  const body = iterableBody(request);
  return {
    async pump(write, signal) {
      try {
        await body.pump(write, signal);
      } catch (error) {
        throw request.complete || isGantryError(error)
          ? error
          : new GantryError("TRANSFER_INTERRUPTED", "the client stopped sending", { cause: error });
      }
    },
    close() {},
  };
}

/** The whole body of a request that sends a document. @throws LIMIT_EXCEEDED */
export async function readDocument({ request, limits, signal }: Call): Promise<Buffer> {
  const declared = Number(request.headers["content-length"] ?? 0);
  checkLimit(limits, "metadataBytes", declared, `a manifest of ${declared} bytes`);
  const chunks: Buffer[] = [];
  let length = 0;
  await requestBody(request).pump((chunk) => {
    length += chunk.byteLength;
    checkLimit(limits, "metadataBytes", length, "the manifest");
    chunks.push(chunk as Buffer);
  }, signal);
  return Buffer.concat(chunks, length);
}
