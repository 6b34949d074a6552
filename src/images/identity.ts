import { type Digest, digestOf } from "../spec/digest.ts";
import type { Image } from "../spec/types.ts";

/**
 * The digests of an image's layers as uncompressed archives, from the base upwards: what its configuration says.
 * @see image-spec config.md, "Layer DiffID"
 */
export function diffIDs(image: Pick<Image, "rootfs">): readonly Digest[] {
  return image.rootfs.diff_ids;
}

/**
 * What each layer is once it stands on those below it: the first is its diffID, every other one names the whole stack
 * up to itself. Two images whose stacks agree up to a layer have the same chainID there.
 * @param diffIDs from the base upwards
 * @returns as many as there are layers; always sha256 above the base, as the specification's own code has it
 * @see image-spec config.md, "Layer ChainID"
 */
export function chainIDs(diffIDs: readonly Digest[]): readonly Digest[] {
  let below: Digest | undefined;
  return diffIDs.map((diffID) => {
    below = below === undefined ? diffID : digestOf(`${below} ${diffID}`);
    return below;
  });
}
