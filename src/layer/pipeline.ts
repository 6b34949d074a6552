import type { Limits } from "../base/limits.ts";
import type { DirectoryMetadata } from "./directory.ts";

/** What the layers of an image are applied with, in this thread or in workers. */
export interface PipelineOptions {
  readonly limits: Limits;
  readonly signal?: AbortSignal | undefined;
  readonly strict?: boolean | undefined;
  /** The directory that the tree is to become, for messages. */
  readonly name: string;
  /** Receives the inflated bytes so far, several times a second. */
  readonly onBytes?: ((bytes: number) => void) | undefined;
}

/** What was applied. */
export interface ApplyReport {
  /** Entries of the archives, and directories that were created though no entry describes them. */
  readonly entries: number;
  /** Inflated bytes of all layers. */
  readonly bytes: number;
  /** What could not be kept, for people: devices without root, attributes that the file system does not support. */
  readonly warnings: readonly string[];
}

/** A tree that is whole but for the metadata of its root, which is set when the tree is in its place. */
export interface AppliedTree extends ApplyReport {
  readonly root: DirectoryMetadata;
}
