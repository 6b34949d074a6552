import { GantryError, isGantryError } from "../base/error.ts";
import { checkLimit } from "../base/limits.ts";
import type { Body } from "../content/content.ts";
import { iterableBody } from "../content/source.ts";
import type { Call } from "./call.ts";

export interface RequestBody extends Body {
  /** The error of reading, if the client caused it and not the registry that takes the bytes. */
  readonly failure: unknown;
}

/**
 * The body of a request. If it ends early, or if no bytes arrive for too long, reading it fails.
 * @param look called with the length of each chunk before the chunk is passed on; may throw to refuse it
 */
export function requestBody({ request, bodyIdleMs }: Call, look: (count: number) => void = () => {}): RequestBody {
  // A handler that stops reading still has to answer, so the connection stays open.
  const body = iterableBody(request.iterator({ destroyOnReturn: false }));
  const giveUp = (): void => {
    const message = `no bytes of the request body arrived for ${bodyIdleMs / 1000} s`;
    request.destroy(new GantryError("TRANSFER_INTERRUPTED", message));
  };
  let failure: unknown;
  return {
    get failure() {
      return failure;
    },
    async pump(write, signal) {
      let idle = setTimeout(giveUp, bodyIdleMs);
      let writing = false;
      try {
        await body.pump(async (chunk) => {
          // Only the time of waiting for the client counts.
          clearTimeout(idle);
          look(chunk.byteLength);
          writing = true;
          await write(chunk);
          writing = false;
          idle = setTimeout(giveUp, bodyIdleMs);
        }, signal);
      } catch (error) {
        if (writing) throw error;
        failure =
          request.complete || isGantryError(error)
            ? error
            : new GantryError("TRANSFER_INTERRUPTED", "the client stopped sending", { cause: error });
        throw failure;
      } finally {
        clearTimeout(idle);
      }
    },
    close() {},
  };
}

/** The whole body of a request that sends a manifest. @throws LIMIT_EXCEEDED */
export async function readDocument(call: Call): Promise<Buffer> {
  const { request, limits, signal } = call;
  const declared = Number(request.headers["content-length"] ?? 0);
  checkLimit(limits, "metadataBytes", declared, `a manifest of ${declared} bytes`);
  const chunks: Buffer[] = [];
  let length = 0;
  const look = (count: number): void => {
    length += count;
    checkLimit(limits, "metadataBytes", length, "the manifest");
  };
  await requestBody(call, look).pump((chunk) => void chunks.push(chunk as Buffer), signal);
  return Buffer.concat(chunks, length);
}
