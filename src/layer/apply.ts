import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
  rmdirSync,
  symlinkSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { errnoOf, GantryError } from "../base/error.ts";
import { checkLimit, defaultLimits, type Limits } from "../base/limits.ts";
import { hasNative, native } from "../sys/native.ts";
import { type Found, pathComponents, resolveIn, type Tree } from "../sys/resolve.ts";
import type { TarHandler, TarHeader } from "../tar/index.ts";
import { type FsPath, MetadataWriter } from "./metadata.ts";
import { Directory, type DirectoryMetadata, undeclared } from "./tree.ts";
import { isBookkeeping, parseWhiteout } from "./whiteout.ts";

const CREATE = constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY | (constants.O_NOFOLLOW ?? 0);
const S_IFCHR = 0o020000;
const S_IFBLK = 0o060000;
const S_IFIFO = 0o010000;
/** What Linux keeps of device numbers. */
const MAX_MAJOR = 0xfff;
const MAX_MINOR = 0xfffff;
/** Directories that get their metadata at the end before others have a turn. */
const FINISH_STEP = 64;

/** Paths are relative to the root, one character a byte (latin1), so that any name can be a key. */
const isAscii = (path: string): boolean => !/[^\x00-\x7f]/.test(path);
const shown = (path: string): string => JSON.stringify(Buffer.from(path, "latin1").toString("utf8"));
const join = (directory: string, name: string): string => (directory === "" ? name : `${directory}/${name}`);

export interface ApplyOptions {
  readonly limits?: Limits | undefined;
  /** Fail where something cannot be kept, instead of leaving it out with a warning. */
  readonly strict?: boolean | undefined;
  /** Called for each entry, piece of data and removal; throws to stop. */
  readonly check?: (() => void) | undefined;
}

/**
 * Applies the layers of one image, in order, to a directory that was empty and that no other process can write to
 * (image-spec layer.md, "Applying Changesets"). The reader's entries come in synchronously; every path is resolved
 * inside the root, which knows all its directories, and no link is ever followed by the kernel.
 *
 * Throws INVALID_LAYER, LINK_LOOP, LIMIT_EXCEEDED, NATIVE_UNAVAILABLE, UNSUPPORTED (strict), and what the file system
 * throws.
 */
export class TreeApplier implements TarHandler {
  readonly #root: string;
  readonly #rootBytes: Buffer;
  readonly #limits: Limits;
  readonly #check: () => void;
  readonly #metadata: MetadataWriter;
  readonly #tree: Tree<Directory>;
  /** The number of the layer that is applied, from 1. */
  #layer = 0;
  /** The directories whose `written` is of use only until the layer ends. */
  #writing: Directory[] = [];
  #entries = 0;
  #directories = 1;
  /** The directory of the newest entry and its path: most entries follow one of the same directory. */
  #lastDirectory: Directory;
  #lastPath = "";
  #header: TarHeader | undefined;
  #path = "";
  #fd: number | undefined;

  constructor(root: string, options: ApplyOptions = {}) {
    this.#root = root;
    this.#rootBytes = Buffer.from(`${root}/`);
    this.#limits = options.limits ?? defaultLimits;
    this.#check = options.check ?? (() => {});
    this.#metadata = new MetadataWriter({ root, strict: options.strict });
    const directory = new Directory();
    this.#lastDirectory = directory;
    this.#tree = {
      root: directory,
      parent: (at) => at.parent ?? directory,
      look: (at, name) => this.#look(at, name),
    };
  }

  /** Entries of the archives, and directories that were made though no entry describes them. */
  get entries(): number {
    return this.#entries;
  }

  /** What could not be kept, for people. */
  get warnings(): readonly string[] {
    return this.#metadata.warnings;
  }

  beginLayer(): void {
    this.#layer += 1;
    for (const directory of this.#writing) directory.written = undefined;
    this.#writing = [];
  }

  #at(path: string): FsPath {
    if (path === "") return this.#root;
    return isAscii(path) ? `${this.#root}/${path}` : Buffer.concat([this.#rootBytes, Buffer.from(path, "latin1")]);
  }

  #pathOf(directory: Directory): string {
    if (directory !== this.#lastDirectory) {
      this.#lastPath = directory.path;
      this.#lastDirectory = directory;
    }
    return this.#lastPath;
  }

  #count(): void {
    this.#check();
    this.#entries += 1;
    checkLimit(this.#limits, "entries", this.#entries, "the number of entries and directories in the image");
  }

  entry(header: TarHeader): void {
    this.#count();
    this.#header = undefined;
    const components = pathComponents(header.name.toString("latin1"));
    this.#checkDepth(components);
    this.#metadata.checkOwner(header.uid, header.gid, shown(components.join("/")));
    const base = components.pop();
    if (base === undefined) return this.#rootEntry(header);
    if (components.some(isBookkeeping)) return;
    const whiteout = parseWhiteout(base);
    if (whiteout.kind === "skip") return;
    if (whiteout.kind !== "none") {
      // A whiteout hides what is there; where its directory is not, nothing is.
      const hidden = this.#layer > 1 ? this.#find(components) : undefined;
      if (hidden && whiteout.kind === "opaque") this.#clearLower(hidden);
      else if (hidden && whiteout.kind === "remove") this.#whiteOut(hidden, whiteout.name);
      return;
    }
    const parent = this.#parent(components);
    this.#path = join(this.#pathOf(parent), base);
    if (this.#create(parent, base, header)) this.#header = header;
  }

  #checkDepth(components: readonly string[]): void {
    if (components.length <= this.#limits.pathDepth) return;
    const what = `the depth of the path ${shown(components.slice(0, 8).join("/"))}...`;
    checkLimit(this.#limits, "pathDepth", components.length, what);
  }

  #rootEntry(header: TarHeader): void {
    if (header.type !== "directory") {
      throw new GantryError(
        "INVALID_LAYER",
        `the layer wants its root to be a ${header.type}; it can only be a directory`,
      );
    }
    this.#describe(this.#tree.root, header);
  }

  #look(directory: Directory, name: string): Found<Directory> {
    const child = directory.child(name);
    if (child) return { kind: "directory", directory: child };
    try {
      const target = readlinkSync(this.#at(join(this.#pathOf(directory), name)), "buffer");
      return { kind: "symlink", target: target.toString("latin1") };
    } catch (error) {
      return { kind: errnoOf(error) === "EINVAL" ? "other" : "missing" };
    }
  }

  /** The directory that a path leads to, if it is there. */
  #find(components: readonly string[]): Directory | undefined {
    let at: Directory | undefined = this.#tree.root;
    for (const name of components) at = at?.child(name);
    if (at) return at;
    const { directory, rest } = resolveIn(this.#tree, components, this.#limits.symlinks);
    return rest.length === 0 ? directory : undefined;
  }

  /** The directory that a path leads to; what is missing of it is made. */
  #parent(components: readonly string[]): Directory {
    let at: Directory | undefined = this.#tree.root;
    for (const name of components) at = at?.child(name);
    if (at) return at;
    const { directory, rest } = resolveIn(this.#tree, components, this.#limits.symlinks);
    // Links may have led deeper than the path itself is.
    let made = directory;
    for (const name of rest) {
      this.#count();
      made = this.#makeDirectory(made, name);
    }
    return made;
  }

  #makeDirectory(parent: Directory, name: string): Directory {
    this.#directories += 1;
    checkLimit(this.#limits, "directories", this.#directories, "the number of directories in the image");
    const path = join(this.#pathOf(parent), name);
    this.#checkDepth(path.split("/"));
    this.#replacing(parent, name, path, (target) => mkdirSync(target, 0o700));
    const directory = parent.add(name);
    directory.made = this.#layer;
    directory.cleared = this.#layer;
    if (this.#layer > 1) directory.touch(this.#layer);
    this.#lastDirectory = directory;
    this.#lastPath = path;
    return directory;
  }

  /** Creates an entry, replacing whatever exists. */
  #replacing(parent: Directory, name: string, path: string, make: (path: FsPath) => void): void {
    const target = this.#at(path);
    try {
      make(target);
    } catch (error) {
      if (errnoOf(error) !== "EEXIST") throw error;
      this.#remove(parent, name, path);
      make(target);
    }
  }

  /** @returns whether it is there now, to get its data and metadata */
  #create(parent: Directory, base: string, header: TarHeader): boolean {
    const path = this.#path;
    switch (header.type) {
      case "directory":
        this.#describe(parent.child(base) ?? this.#makeDirectory(parent, base), header);
        return false;
      case "file":
        this.#replacing(parent, base, path, (target) => {
          this.#fd = openSync(target as string, CREATE, 0o600);
        });
        break;
      case "symlink":
        if (header.linkname.length === 0)
          throw new GantryError("INVALID_LAYER", `the symbolic link ${shown(path)} leads nowhere`);
        this.#replacing(parent, base, path, (target) => symlinkSync(header.linkname, target));
        break;
      case "hardlink":
        if (this.#link(parent, base, header)) this.#mark(parent, base);
        return false;
      default:
        if (!this.#special(parent, base, header)) {
          // What it would have replaced is not part of the image any more.
          this.#remove(parent, base, path);
          return false;
        }
    }
    this.#mark(parent, base);
    return true;
  }

  #describe(directory: Directory, header: TarHeader): void {
    const path = directory.path;
    const { mode, uid, gid, mtime } = header;
    this.#metadata.clearXattrs(this.#at(path), directory.metadata.xattrs);
    const xattrs = this.#metadata.xattrs(this.#at(path), header.xattrs, shown(path));
    directory.metadata = { mode, uid, gid, mtime, xattrs };
    directory.declared = this.#layer;
    if (this.#layer > 1) directory.touch(this.#layer);
  }

  /**
   * The target stands in the archive's own terms and is resolved like any path; its last component is not followed.
   * @returns false where the link leads to itself, and so is there
   */
  #link(parent: Directory, name: string, header: TarHeader): boolean {
    const components = pathComponents(header.linkname.toString("latin1"));
    const base = components.pop();
    const { directory, rest } = resolveIn(this.#tree, components, this.#limits.symlinks);
    const source = [directory.path, ...rest, base ?? ""].filter((part) => part !== "").join("/");
    const path = this.#path;
    if (source === path) return false;
    const fault = (why: string): GantryError =>
      new GantryError("INVALID_LAYER", `the hard link ${shown(path)} leads to ${shown(source)}, ${why}`);
    if (base === undefined || (rest.length === 0 && directory.child(base))) throw fault("which is a directory");
    try {
      this.#replacing(parent, name, path, (target) => linkSync(this.#at(source), target));
    } catch (error) {
      throw ["ENOENT", "ENOTDIR"].includes(errnoOf(error) ?? "") ? fault("which is not there") : error;
    }
    return true;
  }

  /** @returns false where it was left out */
  #special(parent: Directory, name: string, header: TarHeader): boolean {
    const { major, minor, type } = header;
    const path = this.#path;
    if (!this.#metadata.owners && type !== "fifo") {
      this.#metadata.warn("device", `${shown(path)}: devices were left out: only root can make them`);
      return false;
    }
    if (major < 0 || minor < 0 || major > MAX_MAJOR || minor > MAX_MINOR) {
      throw new GantryError(
        "INVALID_LAYER",
        `the device ${shown(path)} has the number ${major}:${minor}, which Linux does not have`,
      );
    }
    if (!hasNative()) {
      this.#metadata.warn(
        `native ${type}`,
        `${shown(path)}: ${type === "fifo" ? "fifos" : "devices"} were left out: making them needs Linux and the optional package koffi`,
      );
      return false;
    }
    if (type === "char" && major === 0 && minor === 0) {
      this.#metadata.warn(
        "whiteout",
        `${shown(path)} is a character device 0:0, which overlayfs takes for a whiteout; here it is made as it is`,
      );
    }
    const kind = type === "fifo" ? S_IFIFO : type === "char" ? S_IFCHR : S_IFBLK;
    this.#replacing(parent, name, path, (target) => native("").mknod(target, kind | 0o600, major, minor));
    return true;
  }

  data(chunk: Buffer): void {
    this.#check();
    if (this.#fd === undefined) return;
    for (let at = 0; at < chunk.length; ) at += writeSync(this.#fd, chunk, at, chunk.length - at);
  }

  entryEnd(): void {
    const header = this.#header;
    const fd = this.#fd;
    this.#header = undefined;
    this.#fd = undefined;
    if (!header) return;
    const { mode, uid, gid, mtime, xattrs } = header;
    const path = this.#at(this.#path);
    const metadata = this.#metadata;
    if (header.type === "file") {
      try {
        // Owners first: changing them takes away setuid and capabilities.
        if (metadata.mustChown(uid, gid)) fchownSync(fd!, uid, gid);
        if (xattrs.size > 0) metadata.xattrs(path, xattrs, shown(this.#path));
        fchmodSync(fd!, mode);
        metadata.times(path, mtime, fd);
      } finally {
        closeSync(fd!);
      }
      return;
    }
    metadata.chown(path, uid, gid);
    if (xattrs.size > 0) metadata.xattrs(path, xattrs, shown(this.#path));
    if (header.type !== "symlink") chmodSync(path, mode);
    metadata.times(path, mtime);
  }

  /** Remembers that this layer wrote a name: its whiteouts spare it. In the first layer there is nothing to hide. */
  #mark(parent: Directory, name: string): void {
    if (this.#layer === 1) return;
    parent.touch(this.#layer);
    if (!parent.written) {
      parent.written = new Set();
      this.#writing.push(parent);
    }
    parent.written.add(name);
  }

  /** A whiteout acts on the layers below, never on what its own layer wrote, in whatever order they come. */
  #whiteOut(directory: Directory, name: string): void {
    const child = directory.child(name);
    if (child?.touched === this.#layer) return this.#makeNew(child);
    if (!child && directory.touched === this.#layer && directory.written?.has(name)) return;
    this.#remove(directory, name, join(this.#pathOf(directory), name));
  }

  /** Hides the directory of lower layers below one that this layer wrote to: it is new, with what this layer gave it. */
  #makeNew(directory: Directory): void {
    if (directory.made === this.#layer) return;
    directory.made = this.#layer;
    if (directory.declared !== this.#layer) {
      this.#metadata.clearXattrs(this.#at(directory.path), directory.metadata.xattrs);
      directory.metadata = undeclared;
    }
    this.#clearLower(directory);
  }

  /** Takes away what lower layers put into a directory; once in a layer, as nothing of them can come back in it. */
  #clearLower(directory: Directory): void {
    if (directory.cleared === this.#layer) return;
    directory.cleared = this.#layer;
    for (const name of this.#names(directory.path)) this.#whiteOut(directory, name);
  }

  #names(path: string): string[] {
    return readdirSync(this.#at(path), "buffer").map((name) => name.toString("latin1"));
  }

  /** Removes what is at a path, if anything is. Only directories that the tree knows are gone into. */
  #remove(parent: Directory, name: string, path: string): void {
    this.#check();
    const directory = parent.child(name);
    if (directory) {
      for (const inside of this.#names(path)) this.#remove(directory, inside, join(path, inside));
      rmdirSync(this.#at(path));
      parent.remove(name);
      this.#directories -= 1;
      return;
    }
    try {
      unlinkSync(this.#at(path));
    } catch (error) {
      if (errnoOf(error) !== "ENOENT" && errnoOf(error) !== "ENOTDIR") throw error;
    }
  }

  /**
   * Sets the metadata of all directories, deepest first, when all layers are in. The root's is left to the caller.
   * Yields now and then, so that the caller can let others have a turn.
   */
  *finish(): Generator<void> {
    let count = 0;
    const metadata = this.#metadata;
    const check = this.#check;
    const visit = function* (this: TreeApplier, directory: Directory, path: string): Generator<void> {
      for (const child of directory.children()) {
        const below = join(path, child.name);
        yield* visit.call(this, child, below);
        check();
        metadata.directory(this.#at(below), child.metadata);
        count += 1;
        if (count % FINISH_STEP === 0) yield;
      }
    };
    yield* visit.call(this, this.#tree.root, "");
  }

  /** What the root is to have when it is where it belongs. Its attributes are on it already. */
  get root(): DirectoryMetadata {
    return this.#tree.root.metadata;
  }

  /** Closes what a failure left open. */
  abandon(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }
}
