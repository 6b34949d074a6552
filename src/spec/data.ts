import { GantryError } from "../base/error.ts";
import { checkLimit, defaultLimits, type Limits } from "../base/limits.ts";
import { fromBase64 } from "./bytes.ts";
import { algorithmOf, type Digest, digestOf, isDigest } from "./digest.ts";
import { mediaTypes } from "./media-types.ts";
import type { Descriptor } from "./types.ts";

/** The descriptor of "nothing", for places where one is required (image-spec manifest.md, "Guidance for an Empty Descriptor"). */
export const emptyJsonDescriptor: Descriptor = {
  mediaType: mediaTypes.emptyJson,
  digest: "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a" as Digest,
  size: 2,
  data: "e30=",
};

/** Without groups, which overflow the stack on a long text. */
const base64 = /^[A-Za-z0-9+/]*={0,2}$/;
const padding = (data: string): number => (data.endsWith("==") ? 2 : data.endsWith("=") ? 1 : 0);

interface DataFault {
  readonly code: "INVALID_DOCUMENT" | "SIZE_MISMATCH" | "DIGEST_MISMATCH";
  readonly message: string;
}

/** The fault in the `data` of a descriptor; undefined if it is right or absent. */
export function embeddedFault({ data, size, digest }: Descriptor): DataFault | undefined {
  if (data === undefined) return undefined;
  if (data.length % 4 !== 0 || !base64.test(data)) return { code: "INVALID_DOCUMENT", message: "is not base64" };
  const bytes = fromBase64(data);
  if (bytes.length !== size) {
    return { code: "SIZE_MISMATCH", message: `is ${bytes.length} bytes long, but the descriptor says ${size}` };
  }
  if (!isDigest(digest)) return undefined;
  const computed = digestOf(bytes, algorithmOf(digest));
  return computed === digest ? undefined : { code: "DIGEST_MISMATCH", message: `has the digest ${computed}` };
}

/**
 * The content that a descriptor carries in its `data` field, verified against size and digest as if it had been
 * fetched (image-spec descriptor.md, "Embedded Content"); undefined if it carries none.
 * @throws UNSUPPORTED_ALGORITHM, DIGEST_MISMATCH, SIZE_MISMATCH, INVALID_DOCUMENT, LIMIT_EXCEEDED
 */
export function embeddedData(descriptor: Descriptor, limits: Limits = defaultLimits): Buffer | undefined {
  const { data, digest, size } = descriptor;
  if (data === undefined) return undefined;
  // Refuses an algorithm that cannot be verified.
  algorithmOf(digest);
  const what = `the data that is embedded in the descriptor of ${digest}`;
  // Four characters are three bytes: the limit is checked before anything is decoded.
  checkLimit(limits, "metadataBytes", Math.max(size, (data.length / 4) * 3 - padding(data)), what);
  const fault = embeddedFault(descriptor);
  if (fault) throw new GantryError(fault.code, `${what} ${fault.message}`, { details: { digest } });
  return fromBase64(data);
}
