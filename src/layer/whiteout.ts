import { GantryError } from "../base/error.ts";

/** The meaning of the base name of an entry (image-spec layer.md, "Whiteouts"). */
export type Whiteout =
  /** An ordinary entry; a mark that hides everything that lower layers have in its directory; an entry to be skipped. */
  | { readonly kind: "none" | "opaque" | "skip" }
  /** Hides the entry that lower layers have under `name` in its directory. */
  | { readonly kind: "remove"; readonly name: string };

const PREFIX = ".wh.";
/** Shared by all ordinary entries, which are the most. */
const NONE: Whiteout = { kind: "none" };

/** Whether a name is `.wh..wh..opq` or belongs to the bookkeeping of AUFS, which has no meaning in an image. */
export const isBookkeeping = (name: string): boolean => name.startsWith(".wh..wh.");

/**
 * Reads a base name. `.wh..wh..opq` is opaque; other names that start with `.wh..wh.` are the bookkeeping of AUFS, and
 * are skipped.
 * @throws INVALID_LAYER if the name to hide is empty, `.` or `..`: that would hide the directory itself or its parent
 */
export function parseWhiteout(base: string): Whiteout {
  if (!base.startsWith(PREFIX)) return NONE;
  if (base === ".wh..wh..opq") return { kind: "opaque" };
  if (isBookkeeping(base)) return { kind: "skip" };
  const name = base.slice(PREFIX.length);
  if (name === "" || name === "." || name === "..") {
    throw new GantryError("INVALID_LAYER", `the layer has the whiteout ${JSON.stringify(base)}, which names no file`);
  }
  return { kind: "remove", name };
}
