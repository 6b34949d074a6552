import { digestOf } from "../spec/digest.ts";
import { mediaTypes } from "../spec/media-types.ts";
import type { Descriptor } from "../spec/types.ts";
import type { ImageStore } from "../store/images.ts";

export interface ImageStoreCase {
  readonly name: string;
  /** @param store returns the store of a namespace, with the same names each time */
  run(store: (namespace: string) => ImageStore): Promise<void>;
}

/** Adds a case. `store` is the store of the default namespace, `all` returns that of any namespace. */
export type AddCase = (
  name: string,
  run: (store: ImageStore, all: (namespace: string) => ImageStore) => Promise<void>,
) => void;

export const target = (content: string, mediaType: string = mediaTypes.manifest): Descriptor => ({
  mediaType,
  digest: digestOf(content),
  size: content.length,
});
