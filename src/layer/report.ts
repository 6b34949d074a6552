import { GantryError, isGantryError } from "../base/error.ts";
import { fileSystemError } from "../sys/fs-error.ts";
import type { DirectoryMetadata } from "./tree.ts";

/** What applying an image came to. */
export interface ApplyReport {
  readonly entries: number;
  /** Inflated bytes of all layers. */
  readonly bytes: number;
  /** What could not be kept: owners without root, attributes that the file system does not know. */
  readonly warnings: readonly string[];
}

/** A tree that lacks only what its root is to have, which is set when it is in its place. */
export interface AppliedTree extends ApplyReport {
  readonly root: DirectoryMetadata;
}

/** What the file system said, about the directory as its user knows it. */
export async function unpackError(thrown: unknown, root: string, name: string): Promise<unknown> {
  const error = await fileSystemError(thrown, "unpacking to", root);
  if (!isGantryError(error, "FILE_SYSTEM", "NO_SPACE")) return error;
  const { path: _, ...details } = error.details;
  return new GantryError(error.code, error.message.replaceAll(root, name), {
    cause: error.cause,
    details: { ...details, path: name },
  });
}
