import { errnoOf, GantryError, hasErrno } from "../base/error.ts";
import { defaultLimits, type Limits } from "../base/limits.ts";
import { pathComponents } from "../sys/resolve.ts";
import type { TarHandler, TarHeader } from "../tar/index.ts";
import { TreeBounds } from "./bounds.ts";
import type { Directory, DirectoryMetadata } from "./directory.ts";
import { checkOwner } from "./owners.ts";
import { join, shown } from "./paths.ts";
import type { LayerTarget } from "./target.ts";
import { LayeredTree } from "./tree.ts";
import { isBookkeeping, parseWhiteout, type Whiteout } from "./whiteout.ts";

export interface ApplyOptions {
  readonly limits?: Limits | undefined;
  /** Called for each entry, chunk of data and removal; throws to stop. */
  readonly check?: (() => void) | undefined;
}

/**
 * Applies the layers of one image, in order, to a target that no other process can write to (image-spec layer.md,
 * "Applying Changesets"). Takes the entries of a `TarReader` synchronously. Every path is resolved inside the root, and
 * the kernel never follows a link.
 *
 * Throws INVALID_LAYER, LINK_LOOP, LIMIT_EXCEEDED, and errors of the target.
 */
export class TreeApplier implements TarHandler {
  readonly #target: LayerTarget;
  readonly #bounds: TreeBounds;
  readonly #tree: LayeredTree;
  /** Whether the data that follows belongs to a file of the target. */
  #inFile = false;

  constructor(target: LayerTarget, { limits = defaultLimits, check = () => {} }: ApplyOptions = {}) {
    this.#target = target;
    this.#bounds = new TreeBounds(limits, check);
    this.#tree = new LayeredTree(target, this.#bounds);
  }

  /** Entries of the archives, and directories that were created though no entry describes them. */
  get entries(): number {
    return this.#bounds.entries;
  }

  /** Messages for people about what could not be kept. */
  get warnings(): readonly string[] {
    return this.#target.warnings;
  }

  /**
   * The metadata of the root, which the caller sets when the tree is in its place. Its extended attributes are set
   * already.
   */
  get root(): DirectoryMetadata {
    return this.#tree.root.metadata;
  }

  beginLayer(): void {
    this.#tree.beginLayer();
  }

  entry(header: TarHeader): void {
    this.#bounds.countEntry();
    const components = pathComponents(header.name.toString("latin1"));
    this.#bounds.checkDepth(components);
    checkOwner(header);
    const name = components.pop();
    if (name === undefined) return this.#rootEntry(header);
    if (components.some(isBookkeeping)) return;
    const whiteout = parseWhiteout(name);
    if (whiteout.kind === "none") this.#create(this.#tree.ensure(components), name, header);
    else this.#hide(components, whiteout);
  }

  /** A whiteout hides existing entries and creates nothing: in a missing directory it hides nothing. */
  #hide(components: readonly string[], whiteout: Whiteout): void {
    if (whiteout.kind === "skip" || !this.#tree.hasLower) return;
    const directory = this.#tree.find(components);
    if (!directory) return;
    if (whiteout.kind === "opaque") this.#tree.clearLower(directory);
    else if (whiteout.kind === "remove") this.#tree.whiteOut(directory, whiteout.name);
  }

  #rootEntry(header: TarHeader): void {
    if (header.type !== "directory") {
      throw new GantryError("INVALID_LAYER", `the root of the layer is a ${header.type}; it can only be a directory`);
    }
    this.#describe(this.#tree.root, header);
  }

  #create(parent: Directory, name: string, header: TarHeader): void {
    const tree = this.#tree;
    if (header.type === "directory") {
      return this.#describe(parent.child(name) ?? tree.makeDirectory(parent, name), header);
    }
    const path = join(tree.pathOf(parent), name);
    if (header.type === "hardlink") {
      if (!this.#link(parent, name, path, header)) return;
    } else if (!this.#replace(parent, name, path, header, "")) {
      // The image has neither the entry that was left out nor the one that it replaces.
      return tree.hide(parent, name, path);
    }
    tree.wrote(parent, name);
  }

  #describe(directory: Directory, header: TarHeader): void {
    const { mode, uid, gid, mtime } = header;
    const path = this.#tree.pathOf(directory);
    const xattrs = this.#target.replaceXattrs(path, directory.metadata.xattrs, header.xattrs);
    this.#tree.declare(directory, { mode, uid, gid, mtime, xattrs });
  }

  /**
   * Creates an entry, replacing whatever exists.
   * @param linked the path that a hard link leads to
   * @returns false if it was left out
   */
  #replace(parent: Directory, name: string, path: string, header: TarHeader, linked: string): boolean {
    try {
      return this.#createOnTarget(path, header, linked);
    } catch (error) {
      if (errnoOf(error) !== "EEXIST") throw error;
      this.#tree.remove(parent, name, path);
      return this.#createOnTarget(path, header, linked);
    }
  }

  #createOnTarget(path: string, header: TarHeader, linked: string): boolean {
    switch (header.type) {
      case "file":
        this.#target.createFile(path, header);
        this.#inFile = true;
        return true;
      case "symlink":
        if (header.linkname.length === 0)
          throw new GantryError("INVALID_LAYER", `the symbolic link ${shown(path)} has no target`);
        this.#target.createSymlink(path, header);
        return true;
      case "hardlink":
        this.#target.createLink(linked, path);
        return true;
      default:
        return this.#target.createSpecial(path, header);
    }
  }

  /**
   * Creates a hard link. Its target is a path of the archive and is resolved like any other, but a link in its last
   * component is not followed.
   * @returns false if the link leads to itself, so that nothing changes
   */
  #link(parent: Directory, name: string, path: string, header: TarHeader): boolean {
    const components = pathComponents(header.linkname.toString("latin1"));
    const base = components.pop();
    const { directory, rest } = this.#tree.resolve(components);
    const linked = [directory.path, ...rest, base ?? ""].filter((part) => part !== "").join("/");
    if (linked === path) return false;
    const fault = (why: string): GantryError =>
      new GantryError("INVALID_LAYER", `the hard link ${shown(path)} leads to ${shown(linked)}, which ${why}`);
    if (base === undefined || (rest.length === 0 && directory.child(base))) throw fault("is a directory");
    try {
      return this.#replace(parent, name, path, header, linked);
    } catch (error) {
      throw hasErrno(error, "ENOENT", "ENOTDIR") ? fault("does not exist") : error;
    }
  }

  data(chunk: Buffer): void {
    this.#bounds.check();
    if (this.#inFile) this.#target.write(chunk);
  }

  entryEnd(): void {
    if (!this.#inFile) return;
    this.#inFile = false;
    this.#target.endFile();
  }

  /**
   * Sets the metadata of all directories but the root, when all layers are applied. Yields now and then, so that the
   * caller can give other tasks a turn.
   */
  finish(): Generator<void> {
    return this.#tree.finish();
  }

  /** Closes the file that a failure left open. */
  abandon(): void {
    this.#target.close();
  }
}
