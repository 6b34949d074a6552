import type { Limits } from "../../base/limits.ts";
import type { BlobDirectory } from "../../content/blob-directory.ts";
import type { Digest } from "../../spec/digest.ts";
import type { Advice } from "../advice.ts";
import type { PushedManifest } from "../repositories/tables.ts";
import type { Snapshot } from "../sql/images.ts";

/** What a garbage collection needs of a store. */
export interface Collectable {
  readonly directory: string;
  readonly blobs: BlobDirectory;
  readonly limits: Limits;
  readonly advice: Advice;
  /** All names of all namespaces, also those that other hosts set. */
  snapshot(): Promise<Snapshot>;
  /** How many changes of the names there were. */
  generation(): Promise<number>;
  /** The manifests that may have to stay without a name. */
  pushed(): Promise<readonly PushedManifest[]>;
  /** Called with the digests whose bytes were removed. */
  removed(digests: readonly Digest[]): Promise<void>;
  /** The last change of the names that index.json shows; -1 where it shows none. */
  exported(): Promise<number>;
}
