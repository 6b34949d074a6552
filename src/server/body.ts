import { GantryError, isGantryError } from "../base/error.ts";
import { checkLimit } from "../base/limits.ts";
import type { Body } from "../content/content.ts";
import { iterableBody } from "../content/source.ts";
import type { Call } from "./call.ts";

/** The body of a request; one that ends early, or stops coming, is an error and not the end of the data. */
export function requestBody({ request, bodyIdleMs }: Call): Body {
  // Who stops reading still wants to answer: the connection stays.
  const body = iterableBody(request.iterator({ destroyOnReturn: false }));
  const giveUp = (): void => {
    const message = `no more of the request's body came for ${bodyIdleMs / 1000} s`;
    request.destroy(new GantryError("TRANSFER_INTERRUPTED", message));
  };
  return {
    async pump(write, signal) {
      let idle = setTimeout(giveUp, bodyIdleMs);
      try {
        await body.pump(async (chunk) => {
          // Only the client's part of the time counts.
          clearTimeout(idle);
          await write(chunk);
          idle = setTimeout(giveUp, bodyIdleMs);
        }, signal);
      } catch (error) {
        throw request.complete || isGantryError(error)
          ? error
          : new GantryError("TRANSFER_INTERRUPTED", "the client stopped sending", { cause: error });
      } finally {
        clearTimeout(idle);
      }
    },
    close() {},
  };
}

/** The whole body of a request that sends a document. @throws LIMIT_EXCEEDED */
export async function readDocument(call: Call): Promise<Buffer> {
  const { request, limits, signal } = call;
  const declared = Number(request.headers["content-length"] ?? 0);
  checkLimit(limits, "metadataBytes", declared, `a manifest of ${declared} bytes`);
  const chunks: Buffer[] = [];
  let length = 0;
  await requestBody(call).pump((chunk) => {
    length += chunk.byteLength;
    checkLimit(limits, "metadataBytes", length, "the manifest");
    chunks.push(chunk as Buffer);
  }, signal);
  return Buffer.concat(chunks, length);
}
