import { type Digest, digestOf } from "../spec/digest.ts";
import type { Image } from "../spec/types.ts";

/**
 * The digests of the layers as uncompressed archives, from the base upwards.
 * @see image-spec config.md, "Layer DiffID"
 */
export function diffIDs(image: Pick<Image, "rootfs">): readonly Digest[] {
  return image.rootfs.diff_ids;
}

/**
 * The chainIDs of layers. A chainID identifies a layer together with the layers below it; that of the first layer is its
 * diffID. Two images whose first N layers are equal have the same chainID at layer N.
 * @param diffIDs from the base upwards
 * @returns one for each layer; always sha256 above the base, as in the code of the specification
 * @see image-spec config.md, "Layer ChainID"
 */
export function chainIDs(diffIDs: readonly Digest[]): readonly Digest[] {
  let below: Digest | undefined;
  return diffIDs.map((diffID) => {
    below = below === undefined ? diffID : digestOf(`${below} ${diffID}`);
    return below;
  });
}
