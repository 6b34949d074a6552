import type { Expected } from "../content/content.ts";
import { requireDigest } from "../content/verifier.ts";
import { algorithmOf, type Digest, digestOf } from "../spec/digest.ts";
import type { PushManifestOptions } from "./registry.ts";

/** What a blob is verified against: its digest alone, or a descriptor. @throws UNSUPPORTED_ALGORITHM */
export function expectedOf(blob: Digest | Expected): Expected {
  const expected = typeof blob === "string" ? { digest: blob } : blob;
  algorithmOf(expected.digest);
  return expected;
}

/** The digest under which a manifest is pushed. @throws DIGEST_MISMATCH where the bytes do not have `options.digest` */
export function manifestDigest(bytes: Uint8Array, { digest }: PushManifestOptions): Digest {
  if (digest === undefined) return digestOf(bytes);
  requireDigest(digestOf(bytes, algorithmOf(digest)), digest, "the manifest");
  return digest;
}
