import type { PathNode } from "../sys/resolve.ts";
import type { TarHeader } from "../tar/index.ts";
import type { DirectoryMetadata } from "./directory.ts";

/**
 * The place that layers are written to. `TreeApplier` decides what happens at each path, and a target does it on disk.
 * Two kinds of target fit this interface:
 *
 * - A *single directory* receives all layers, so entries that a layer hides are removed from it (`DirectoryTarget`).
 * - A *stacked directory* receives one layer, and overlayfs mounts it over the directories of the layers below. Entries
 *   that the layer hides stay in those directories, and markers hide them. The comments below describe such a target
 *   after the word "Stacked"; gantry has none yet.
 *
 * Paths are relative to the root, hold one character a byte (latin1), and have no symbolic link among their parents, so
 * a target resolves no links. The parent of a path always exists. Methods that create an entry throw EEXIST, as the file
 * system does, if the name is taken: the applier then removes the existing entry and calls them again. Other errors of
 * the file system pass through to the caller.
 */
export interface LayerTarget {
  /**
   * How many layers are below the first one that is applied. If 0, its whiteouts have nothing to hide, and no method is
   * called for them. Stacked: 1 or more.
   */
  readonly lowerLayers: number;
  /** Messages for people about what could not be kept. */
  readonly warnings: readonly string[];

  /**
   * The entry at a path, if it is not a directory that the applier created. Never follows a link.
   *
   * Stacked: looks into this layer, then into the lower layers as far as markers do not hide them. For a directory of a
   * lower layer it returns `directory`; the applier then calls `makeDirectory`, so that this layer has it too.
   */
  lookUp(path: string): PathNode;

  /** The names in a directory, as they are on disk. Stacked: those of this layer only, markers included. */
  list(path: string): string[];

  /**
   * Creates a directory that only this process can enter; `finishDirectory` sets its metadata.
   * @returns undefined in a single directory. Stacked: the metadata of the directory that lower layers have at this path,
   * if the new one does not hide it. The new one keeps this metadata unless an entry describes it; the target has copied
   * the extended attributes already.
   */
  makeDirectory(path: string): DirectoryMetadata | undefined;

  /** Creates a regular file and keeps it open; `write` and `endFile` act on it. */
  createFile(path: string, header: TarHeader): void;
  /** Appends to the open file. The chunk is lent until this returns. */
  write(chunk: Buffer): void;
  /** Gives the open file its metadata and closes it. */
  endFile(): void;

  /** Creates a symbolic link with its metadata. */
  createSymlink(path: string, header: TarHeader): void;
  /**
   * Creates a hard link to an existing entry that is not a directory. Throws ENOENT or ENOTDIR if it is missing.
   * Stacked: if only a lower layer has the entry, it is first copied into this layer.
   */
  createLink(existing: string, path: string): void;
  /**
   * Creates a device or a fifo with its metadata.
   * @returns false if it was left out with a warning; the applier then removes and hides the earlier entry of the name
   */
  createSpecial(path: string, header: TarHeader): boolean;

  /** Removes an entry that is not a directory, if it exists. Stacked: from this layer only, markers too. */
  remove(path: string): void;
  /** Removes an empty directory. Stacked: from this layer only. */
  removeDirectory(path: string): void;

  /**
   * Hides the entry of lower layers at a path, which the applier has just removed from this target. A single directory
   * does nothing more. Stacked: creates a whiteout, which is a character device 0:0 or, without root, a file with the
   * attribute user.overlay.whiteout.
   */
  hide(path: string): void;
  /**
   * Hides everything that lower layers have in a directory. The applier also removes each name in it that the layer did
   * not write, so a single directory does nothing more. Stacked: sets the attribute trusted.overlay.opaque or, without
   * root, user.overlay.opaque.
   */
  markOpaque(path: string): void;

  /**
   * Removes the extended attributes `before` of a directory, and sets `xattrs`.
   * @param before the names of those that an entry of this or a lower layer set; markers are never among them
   * @returns the names that were set
   */
  replaceXattrs(path: string, before: readonly string[], xattrs: ReadonlyMap<string, Buffer>): readonly string[];

  /**
   * Gives a directory its owner, mode and times when all layers are applied. Called for each directory but the root, after
   * the directories in it. Nothing changes in it afterwards.
   */
  finishDirectory(path: string, metadata: DirectoryMetadata): void;

  /** Closes the file that a failure left open. */
  close(): void;
}
