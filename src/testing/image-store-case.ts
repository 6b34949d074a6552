import { digestOf } from "../spec/digest.ts";
import { mediaTypes } from "../spec/media-types.ts";
import type { Descriptor } from "../spec/types.ts";
import type { ImageStore } from "../store/images.ts";

export interface ImageStoreCase {
  readonly name: string;
  /** @param store gives the names of a namespace, the same ones each time */
  run(store: (namespace: string) => ImageStore): Promise<void>;
}

/** Adds a case. `store` has the names of the default namespace, `all` gives those of any. */
export type AddCase = (
  name: string,
  run: (store: ImageStore, all: (namespace: string) => ImageStore) => Promise<void>,
) => void;

export const target = (content: string, mediaType: string = mediaTypes.manifest): Descriptor => ({
  mediaType,
  digest: digestOf(content),
  size: content.length,
});
