import type { Expected } from "../content/content.ts";
import type { CallOptions } from "./registry.ts";

/** A registry whose blobs are on this machine, so that it can hash them again. */
export interface BlobVerifier {
  /** @returns false where the bytes do not have the digest or the size; undefined where the blob is missing */
  verifyBlob(blob: Expected, options?: CallOptions): Promise<boolean | undefined>;
}
