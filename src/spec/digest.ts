import { createHash, type Hash } from "node:crypto";
import { GantryError } from "../base/error.ts";

/**
 * A parsed content identifier, `algorithm:hex`. Only parsers and {@link Hasher} make one. A document may list digests of
 * other algorithms: gantry passes them on, but {@link algorithmOf} refuses them, and every path, request and check needs
 * it.
 * @see image-spec descriptor.md, "Digests"
 */
export type Digest = string & { readonly __digest: unique symbol };

export type DigestAlgorithm = "sha256" | "sha512";

/** Hexadecimal digits by algorithm. */
const hexLengths: Readonly<Record<DigestAlgorithm, number>> = { sha256: 64, sha512: 128 };

/** The algorithms that gantry can verify. Each has its own directory below `blobs/` of a layout. */
export const digestAlgorithms = Object.keys(hexLengths) as readonly DigestAlgorithm[];

/** True for the algorithms that gantry can verify. */
export const isDigestAlgorithm = (text: string): text is DigestAlgorithm => Object.hasOwn(hexLengths, text);

const grammar = /^[a-z0-9]+(?:[+._-][a-z0-9]+)*:[a-zA-Z0-9=_-]+$/;

/**
 * @param where the place of the text, for the message
 * @throws INVALID_DIGEST if the text is not a digest, UNSUPPORTED_ALGORITHM if it is a digest of another algorithm
 */
export function parseDigest(text: unknown, where = "digest"): Digest {
  const shown = typeof text === "string" ? JSON.stringify(text.slice(0, 160)) : `a ${typeof text}`;
  if (typeof text !== "string" || text.length > 1024 || !grammar.test(text)) {
    throw new GantryError("INVALID_DIGEST", `${where}: ${shown} is not a digest; expected sha256:<64 hex digits>`);
  }
  const algorithm = text.slice(0, text.indexOf(":"));
  if (!isDigestAlgorithm(algorithm)) throw unsupportedAlgorithm(text, `${where}: `);
  const length = hexLengths[algorithm];
  const hex = text.slice(algorithm.length + 1);
  if (hex.length !== length || !/^[0-9a-f]+$/.test(hex)) {
    throw new GantryError(
      "INVALID_DIGEST",
      `${where}: ${shown} is not a digest; ${algorithm} takes ${length} lower-case hex digits`,
    );
  }
  return text as Digest;
}

/** True if {@link parseDigest} accepts the text. */
export function isDigest(text: string): text is Digest {
  try {
    parseDigest(text);
    return true;
  } catch {
    return false;
  }
}

/** @throws UNSUPPORTED_ALGORITHM for a digest that gantry cannot verify */
export function algorithmOf(digest: Digest): DigestAlgorithm {
  const algorithm = digest.slice(0, digest.indexOf(":"));
  if (!isDigestAlgorithm(algorithm)) throw unsupportedAlgorithm(digest);
  return algorithm;
}

function unsupportedAlgorithm(digest: string, where = ""): GantryError<"UNSUPPORTED_ALGORITHM"> {
  const algorithm = digest.slice(0, digest.indexOf(":"));
  const shown = JSON.stringify(digest.slice(0, 160));
  const message = `${where}unsupported algorithm ${algorithm} in ${shown}; supported are ${digestAlgorithms.join(" and ")}`;
  return new GantryError("UNSUPPORTED_ALGORITHM", message, { details: { algorithm } });
}

export function hexOf(digest: Digest): string {
  return digest.slice(digest.indexOf(":") + 1);
}

/** The digest with its first 12 digits, for display: `sha256:0123456789ab`. */
export function shortDigest(digest: Digest): string {
  return digest.slice(0, digest.indexOf(":") + 13);
}

/** A running hash whose result is a Digest. */
export class Hasher {
  readonly algorithm: DigestAlgorithm;
  readonly #hash: Hash;

  constructor(algorithm: DigestAlgorithm = "sha256", state: Hash = createHash(algorithm)) {
    this.algorithm = algorithm;
    this.#hash = state;
  }

  /** A second hasher that has hashed the same bytes. */
  copy(): Hasher {
    return new Hasher(this.algorithm, this.#hash.copy());
  }

  update(bytes: Uint8Array): this {
    this.#hash.update(bytes);
    return this;
  }

  /** Ends the hash; it cannot be used again. */
  digest(): Digest {
    return `${this.algorithm}:${this.#hash.digest("hex")}` as Digest;
  }
}

export function digestOf(bytes: Uint8Array | string, algorithm: DigestAlgorithm = "sha256"): Digest {
  return `${algorithm}:${createHash(algorithm).update(bytes).digest("hex")}` as Digest;
}
