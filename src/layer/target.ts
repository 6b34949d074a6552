import type { PathNode } from "../sys/resolve.ts";
import type { TarHeader } from "../tar/index.ts";
import type { DirectoryMetadata } from "./directory.ts";

/**
 * Where layers are written. `TreeApplier` decides what happens to which path; a target does it on disk. Two kinds of
 * target fit this interface:
 *
 * - A *single directory* receives all layers, so what a layer hides is removed from it (`DirectoryTarget`).
 * - A *stacked directory* receives one layer, and overlayfs mounts it over the directories of the layers below. What the
 *   layer hides is in those directories, and markers hide it. Where this comment and those of the methods say
 *   "stacked", they describe what such a target will do.
 *
 * Paths are relative to the root, hold one character a byte (latin1), and have no symbolic link among their parents, so
 * a target resolves nothing. The parent of a path always exists. Methods that create an entry throw EEXIST, as the file
 * system does, if the name is taken: the applier then removes the existing entry and calls them again. Other errors of
 * the file system pass through to the caller.
 */
export interface LayerTarget {
  /**
   * How many layers are below the first one that is applied. If 0, its whiteouts have nothing to hide, and no method is
   * called for them. Stacked: 1 or more.
   */
  readonly lowerLayers: number;
  /** What could not be kept, for people. */
  readonly warnings: readonly string[];

  /**
   * What a name stands for that is not a directory of the applier. Never follows a link.
   *
   * Stacked: looks into this layer, then into the lower layers as far as markers do not hide them. For a directory of a
   * lower layer it returns `directory`; the applier then calls `makeDirectory`, so that this layer has it too.
   */
  lookUp(path: string): PathNode;

  /** The names in a directory, as they are on disk. Stacked: those of this layer only, markers included. */
  list(path: string): string[];

  /**
   * Creates a directory that only this process can enter; `finishDirectory` sets its metadata.
   * @returns what a directory has for metadata that lower layers have at this path and that shows through the new one:
   * the new one keeps it unless an entry describes it. Stacked: the target copies its extended attributes at once.
   * Undefined if nothing shows through, as always in a single directory: there, the applier knows every directory.
   */
  makeDirectory(path: string): DirectoryMetadata | undefined;

  /** Creates a regular file and keeps it open; `write` and `endFile` act on it. */
  createFile(path: string, header: TarHeader): void;
  /** Appends to the open file. The bytes belong to the caller again when this returns. */
  write(chunk: Buffer): void;
  /** Gives the open file its metadata and closes it. */
  endFile(): void;

  /** Creates a symbolic link with its metadata. */
  createSymlink(path: string, header: TarHeader): void;
  /**
   * Creates a hard link to an existing entry that is not a directory. ENOENT and ENOTDIR say that there is none.
   * Stacked: if only a lower layer has the entry, it is first copied into this layer.
   */
  createLink(existing: string, path: string): void;
  /**
   * Creates a device or a fifo with its metadata.
   * @returns false if it was left out with a warning; what the name stood for before is then removed and hidden
   */
  createSpecial(path: string, header: TarHeader): boolean;

  /** Removes anything but a directory; does nothing if it is missing. Stacked: from this layer only, markers too. */
  remove(path: string): void;
  /** Removes an empty directory. Stacked: from this layer only. */
  removeDirectory(path: string): void;

  /**
   * Hides what lower layers have at a path; the applier has just removed it. Nothing is left to do in a single
   * directory. Stacked: creates a whiteout, which is a character device 0:0 or, without root, a file with the attribute
   * user.overlay.whiteout.
   */
  hide(path: string): void;
  /**
   * Hides everything that lower layers have in a directory; the applier also removes each name in it that the layer did
   * not write. Nothing more is left to do in a single directory. Stacked: sets the attribute trusted.overlay.opaque or,
   * without root, user.overlay.opaque.
   */
  markOpaque(path: string): void;

  /**
   * Sets the extended attributes of a directory, and removes others.
   * @param before the names of those that an entry of this or a lower layer set. Attributes that are markers are never
   * among them, and stay.
   * @returns the names that were set
   */
  replaceXattrs(path: string, before: readonly string[], xattrs: ReadonlyMap<string, Buffer>): readonly string[];

  /**
   * Gives a directory its owner, mode and times when all layers are in. Called for each directory but the root, after
   * those in it. Nothing changes in it afterwards.
   */
  finishDirectory(path: string, metadata: DirectoryMetadata): void;

  /** Closes the file that a failure left open. */
  close(): void;
}
