import type { Limits } from "../base/limits.ts";
import type { DirectoryMetadata } from "./directory.ts";

/** Options for applying the layers of an image, in this thread or in workers. */
export interface PipelineOptions {
  readonly limits: Limits;
  readonly signal?: AbortSignal | undefined;
  readonly strict?: boolean | undefined;
  /** The directory that the tree is to become, for messages. */
  readonly name: string;
  /** Receives the inflated bytes so far, several times a second. */
  readonly onBytes?: ((bytes: number) => void) | undefined;
}

/** The result of applying the layers of an image. */
export interface ApplyReport {
  /** Entries of the archives, and directories that were created though no entry describes them. */
  readonly entries: number;
  /** Inflated bytes of all layers. */
  readonly bytes: number;
  /** Messages for people about what could not be kept: devices without root, attributes that the disk cannot store. */
  readonly warnings: readonly string[];
}

/** A tree that is complete except for the metadata of its root, which is set when the tree is in its place. */
export interface AppliedTree extends ApplyReport {
  readonly root: DirectoryMetadata;
}
