import type { BlobSource } from "../../../content/source.ts";
import type { Descriptor } from "../../../spec/types.ts";
import type { CallOptions } from "../../registry.ts";
import { ResumablePush } from "./resumable.ts";
import type { PushTarget } from "./target.ts";
import { pushWhole } from "./whole.ts";

/** Blobs up to this size are sent in one PUT. Only larger ones are worth resuming. */
const SINGLE_PUT_BYTES = 32 << 20;

/**
 * Pushes a blob: in one PUT where it is small, cannot be read twice, or the registry takes no PATCH; else as an upload
 * that is resumed after a broken connection, also by the next process.
 * @see distribution-spec, "Pushing blobs"
 */
export async function pushBlob(
  target: PushTarget,
  descriptor: Descriptor,
  source: BlobSource,
  options: CallOptions,
): Promise<void> {
  if (descriptor.size > SINGLE_PUT_BYTES && source.replayable) {
    if (await new ResumablePush(target, descriptor, source, options).run()) return;
  }
  await pushWhole(target, descriptor, source, options);
}
