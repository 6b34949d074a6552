import { GantryError } from "../base/error.ts";

/** What an entry's base name asks for (image-spec layer.md, "Whiteouts"). */
export type Whiteout =
  | { readonly kind: "none" | "opaque" | "skip" }
  /** Removes `name`, beside it, of the layers below. */
  | { readonly kind: "remove"; readonly name: string };

const PREFIX = ".wh.";

/** Names of AUFS's own bookkeeping, which mean nothing in an image. `.wh..wh..opq` is one of them but for its meaning. */
export const isBookkeeping = (name: string): boolean => name.startsWith(".wh..wh.");

/**
 * `.wh..wh..opq` is opaque; other names that start with `.wh..wh.` are the bookkeeping of AUFS and mean nothing.
 * @throws INVALID_LAYER where what remains is empty, `.` or `..`: removing it would remove its directory or parent
 */
export function parseWhiteout(base: string): Whiteout {
  if (!base.startsWith(PREFIX)) return { kind: "none" };
  if (base === ".wh..wh..opq") return { kind: "opaque" };
  if (isBookkeeping(base)) return { kind: "skip" };
  const name = base.slice(PREFIX.length);
  if (name === "" || name === "." || name === "..") {
    throw new GantryError("INVALID_LAYER", `the layer holds the whiteout ${JSON.stringify(base)}, which names no file`);
  }
  return { kind: "remove", name };
}
