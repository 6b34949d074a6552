import { GantryError } from "../../../base/error.ts";
import type { BlobSource } from "../../../content/source.ts";
import { mediaTypes } from "../../../spec/media-types.ts";
import type { Descriptor } from "../../../spec/types.ts";
import type { CallOptions } from "../../registry.ts";
import { uploadLocation } from "../upload.ts";
import { isTransient } from "./failure.ts";
import { SourceBody } from "./source-body.ts";
import { type PushTarget, patienceFor } from "./target.ts";

const MAX_ATTEMPTS = 3;

/** Pushes a blob in one PUT, with up to three attempts where its source can be read again. */
export async function pushWhole(
  target: PushTarget,
  descriptor: Descriptor,
  source: BlobSource,
  { signal }: CallOptions,
): Promise<void> {
  const what = `pushing blob ${descriptor.digest} to ${target.name}/${target.repo}`;
  for (let attempt = 1; ; attempt += 1) {
    const started = await target.start({ signal });
    await started.discard();
    const url = uploadLocation(started);
    url.searchParams.set("digest", descriptor.digest);
    await using content = await source.open({ signal });
    const sending = new SourceBody(descriptor.size, (write, signal) => content.pipe(write, { signal }));
    try {
      const headers = { "content-type": mediaTypes.octetStream };
      const patience = patienceFor(descriptor);
      const put = { method: "PUT", url, headers, body: sending.body, patience, signal } as const;
      await (await target.exchange(put, [201, 204], what)).discard();
      return;
    } catch (error) {
      signal?.throwIfAborted();
      if (sending.failure) throw sending.failure.error;
      // Sending a blob again is safe, since its digest names it.
      if (!isTransient(error)) throw error;
      if (await target.has(descriptor, { signal })) return;
      if (attempt >= MAX_ATTEMPTS || !source.replayable) throw gaveUp(error, attempt, what);
      await target.transport.pauseBeforeRetry(attempt, error.message, signal);
    }
  }
}

function gaveUp(error: GantryError, attempts: number, what: string): GantryError {
  const failed =
    attempts === 1 ? "failed, and its source cannot be read again for a retry" : `failed ${attempts} times`;
  return new GantryError(error.code, `${what} ${failed}: ${error.message}`, {
    cause: error,
    details: error.details,
  });
}
