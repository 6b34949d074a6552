import { errnoOf } from "../base/error.ts";
import { type Found, type Resolved, resolveIn, type Tree } from "../sys/resolve.ts";
import type { TreeBounds } from "./bounds.ts";
import { Directory, type DirectoryMetadata, undeclared } from "./directory.ts";
import { join } from "./paths.ts";
import type { LayerTarget } from "./target.ts";

/** Directories that get their metadata before other tasks get a turn. */
const FINISH_STEP = 64;
const none: ReadonlyMap<string, Buffer> = new Map();

/**
 * The directories of a tree that layers are applied to, and the names that the present layer wrote in them. It resolves
 * paths without following links in the kernel, and decides what a whiteout hides: entries of lower layers, never those of
 * its own layer, whatever the order of the entries (image-spec layer.md, "Whiteouts").
 */
export class LayeredTree {
  readonly root: Directory = new Directory();
  readonly #target: LayerTarget;
  readonly #bounds: TreeBounds;
  readonly #paths: Tree<Directory>;
  /** The number of the present layer; the lowest one is 1. */
  #layer: number;
  /** The directories whose `written` is set; it is needed only until the layer ends. */
  #writing: Directory[] = [];
  /** The directory of the last entry, and its path: the next entry is usually in the same directory. */
  #lastDirectory: Directory = this.root;
  #lastPath = "";

  constructor(target: LayerTarget, bounds: TreeBounds) {
    this.#target = target;
    this.#bounds = bounds;
    this.#layer = target.lowerLayers;
    this.#paths = {
      root: this.root,
      parent: (directory) => directory.parent ?? this.root,
      look: (directory, name) => this.#look(directory, name),
    };
  }

  beginLayer(): void {
    this.#layer += 1;
    for (const directory of this.#writing) directory.written = undefined;
    this.#writing = [];
  }

  /** Whether a whiteout of this layer can hide anything. */
  get hasLower(): boolean {
    return this.#layer > 1;
  }

  /** The path of a directory of the tree. */
  pathOf(directory: Directory): string {
    if (directory !== this.#lastDirectory) {
      this.#lastPath = directory.path;
      this.#lastDirectory = directory;
    }
    return this.#lastPath;
  }

  /** Resolves a path inside the root; all its links are followed. */
  resolve(components: readonly string[]): Resolved<Directory> {
    return resolveIn(this.#paths, components, this.#bounds.symlinks);
  }

  #look(directory: Directory, name: string): Found<Directory> {
    const child = directory.child(name);
    if (child) return { kind: "directory", directory: child };
    const found = this.#target.lookUp(join(this.pathOf(directory), name));
    if (found.kind === "symlink") return found;
    if (found.kind !== "directory") return { kind: found.kind };
    this.#bounds.countEntry();
    return { kind: "directory", directory: this.#add(directory, name) };
  }

  #known(components: readonly string[]): Directory | undefined {
    let at: Directory | undefined = this.root;
    for (const name of components) at = at?.child(name);
    return at;
  }

  /** The directory that a path leads to, if it exists. */
  find(components: readonly string[]): Directory | undefined {
    const known = this.#known(components);
    if (known) return known;
    const { directory, rest } = this.resolve(components);
    return rest.length === 0 ? directory : undefined;
  }

  /** The directory that a path leads to; missing directories are created. */
  ensure(components: readonly string[]): Directory {
    const known = this.#known(components);
    if (known) return known;
    const { directory, rest } = this.resolve(components);
    let at = directory;
    for (const name of rest) {
      this.#bounds.countEntry();
      at = this.makeDirectory(at, name);
    }
    return at;
  }

  /** Creates a directory, replacing anything else that has its name. */
  makeDirectory(parent: Directory, name: string): Directory {
    const directory = this.#add(parent, name);
    if (this.hasLower) directory.touch(this.#layer);
    return directory;
  }

  #add(parent: Directory, name: string): Directory {
    const path = join(this.pathOf(parent), name);
    // The path can be deeper than that of the entry, because that may lead through links.
    this.#bounds.addDirectory(path);
    const lower = this.#createOnTarget(parent, name, path);
    const directory = parent.add(name);
    if (lower) directory.metadata = lower;
    else directory.made = directory.cleared = this.#layer;
    this.#lastDirectory = directory;
    this.#lastPath = path;
    return directory;
  }

  /** @returns the metadata of the lower directory that shows through the new one, if any does */
  #createOnTarget(parent: Directory, name: string, path: string): DirectoryMetadata | undefined {
    try {
      return this.#target.makeDirectory(path);
    } catch (error) {
      if (errnoOf(error) !== "EEXIST") throw error;
      this.remove(parent, name, path);
      this.#target.makeDirectory(path);
      // The entry that was removed had replaced any lower directory, so none shows through.
      this.#target.markOpaque(path);
      return undefined;
    }
  }

  /** Gives a directory the metadata of its entry. */
  declare(directory: Directory, metadata: DirectoryMetadata): void {
    directory.metadata = metadata;
    directory.declared = this.#layer;
    if (this.hasLower) directory.touch(this.#layer);
  }

  /** Remembers that this layer wrote a name, so that its whiteouts spare it. Not needed for the lowest layer. */
  wrote(parent: Directory, name: string): void {
    if (!this.hasLower) return;
    parent.touch(this.#layer);
    if (!parent.written) {
      parent.written = new Set();
      this.#writing.push(parent);
    }
    parent.written.add(name);
  }

  /** Hides the entry of lower layers under a name. */
  whiteOut(directory: Directory, name: string): void {
    const child = directory.child(name);
    if (child?.touched === this.#layer) return this.#renew(child);
    if (!child && directory.touched === this.#layer && directory.written?.has(name)) return;
    this.hide(directory, name, join(this.pathOf(directory), name));
  }

  /** Hides the entry of a name, whichever layer wrote it. */
  hide(parent: Directory, name: string, path: string): void {
    this.remove(parent, name, path);
    this.#target.hide(path);
  }

  /** Hides the lower directory of the same name: this one keeps only the entries and metadata of this layer. */
  #renew(directory: Directory): void {
    if (directory.made === this.#layer) return;
    directory.made = this.#layer;
    if (directory.declared !== this.#layer) {
      this.#target.replaceXattrs(directory.path, directory.metadata.xattrs, none);
      directory.metadata = undeclared;
    }
    this.clearLower(directory);
  }

  /** Hides the entries of lower layers in a directory. Done once in each layer: hidden entries cannot come back in it. */
  clearLower(directory: Directory): void {
    if (directory.cleared === this.#layer) return;
    directory.cleared = this.#layer;
    this.#target.markOpaque(directory.path);
    for (const name of this.#target.list(directory.path)) this.whiteOut(directory, name);
  }

  /** Removes the entry at a path, if it exists. Descends only into directories that this tree created. */
  remove(parent: Directory, name: string, path: string): void {
    this.#bounds.check();
    const directory = parent.child(name);
    if (!directory) return this.#target.remove(path);
    for (const inside of this.#target.list(path)) this.remove(directory, inside, join(path, inside));
    this.#target.removeDirectory(path);
    parent.remove(name);
    this.#bounds.removeDirectory();
  }

  /**
   * Sets the metadata of all directories but the root, deepest first, when all layers are applied. Yields now and then,
   * so that the caller can give other tasks a turn.
   */
  *finish(): Generator<void> {
    let count = 0;
    for (const [path, directory] of this.#deepestFirst(this.root, "")) {
      this.#bounds.check();
      this.#target.finishDirectory(path, directory.metadata);
      count += 1;
      if (count % FINISH_STEP === 0) yield;
    }
  }

  *#deepestFirst(directory: Directory, path: string): Generator<[path: string, directory: Directory]> {
    for (const child of directory.children()) {
      const below = join(path, child.name);
      yield* this.#deepestFirst(child, below);
      yield [below, child];
    }
  }
}
