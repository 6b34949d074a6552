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
import { native } from "../sys/native.ts";
import { type PathNode, pathComponents, resolveInRoot } from "../sys/resolve.ts";
import type { TarHandler, TarHeader, Time } from "../tar/index.ts";
import { type FsPath, MetadataWriter } from "./metadata.ts";
import { parseWhiteout } from "./whiteout.ts";

const CREATE = constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY | (constants.O_NOFOLLOW ?? 0);
const S_IFCHR = 0o020000;
const S_IFBLK = 0o060000;
const S_IFIFO = 0o010000;
/** What Linux keeps of device numbers. */
const MAX_MAJOR = 0xfff;
const MAX_MINOR = 0xfffff;

/** A directory of the tree. Its mode, owner and times are set at the end, when nothing in it changes any more. */
interface Directory {
  mode: number;
  uid: number;
  gid: number;
  mtime: Time;
  xattrs: readonly string[];
}

const implicitDirectory = (): Directory => ({
  mode: 0o755,
  uid: 0,
  gid: 0,
  mtime: { seconds: 0, nanoseconds: 0 },
  xattrs: [],
});

/** Paths are relative to the root, one character a byte (latin1), so that any name can be a key. */
const isAscii = (path: string): boolean => !/[^\x00-\x7f]/.test(path);
const shown = (path: string): string => JSON.stringify(Buffer.from(path, "latin1").toString("utf8"));

/**
 * Applies the layers of one image, in order, to a directory that was empty and that nobody else can write to
 * (image-spec layer.md, "Applying Changesets"). The reader's entries come in synchronously; every path is resolved
 * inside the root, which knows all its directories, and no link is ever followed by the kernel.
 *
 * Throws INVALID_LAYER, LINK_LOOP, LIMIT_EXCEEDED, NATIVE_UNAVAILABLE, and what the file system throws.
 */
export class TreeApplier implements TarHandler {
  readonly #root: string;
  readonly #rootBytes: Buffer;
  readonly #limits: Limits;
  readonly #check: () => void;
  readonly #metadata = new MetadataWriter();
  /** Every directory of the tree by its real path; the root is "". */
  readonly #directories = new Map<string, Directory>([["", implicitDirectory()]]);
  /** What this layer wrote, and the directories on the way there: whiteouts spare it. Unused in the first layer. */
  #written: Set<string> | undefined;
  #first = true;
  #entries = 0;
  #header: TarHeader | undefined;
  #path = "";
  #fd: number | undefined;

  /** @param options.check called for each entry and piece of data; throws to stop */
  constructor(root: string, options: { readonly limits?: Limits; readonly check?: () => void } = {}) {
    this.#root = root;
    this.#rootBytes = Buffer.from(`${root}/`);
    this.#limits = options.limits ?? defaultLimits;
    this.#check = options.check ?? (() => {});
  }

  get entries(): number {
    return this.#entries;
  }

  /** What could not be kept, for people. */
  get warnings(): readonly string[] {
    return this.#metadata.warnings;
  }

  beginLayer(): void {
    this.#written = this.#first ? undefined : new Set();
    this.#first = false;
  }

  #at(path: string): FsPath {
    if (path === "") return this.#root;
    return isAscii(path) ? `${this.#root}/${path}` : Buffer.concat([this.#rootBytes, Buffer.from(path, "latin1")]);
  }

  entry(header: TarHeader): void {
    this.#check();
    this.#entries += 1;
    checkLimit(this.#limits, "entries", this.#entries, "the number of entries in the image");
    this.#header = undefined;
    const components = pathComponents(header.name.toString("latin1"));
    checkLimit(
      this.#limits,
      "pathDepth",
      components.length,
      `the depth of the path ${shown(components.slice(0, 8).join("/"))}...`,
    );
    this.#metadata.checkOwner(header.uid, header.gid, shown(components.join("/")));
    const base = components.pop();
    if (base === undefined) return this.#rootEntry(header);
    const whiteout = parseWhiteout(base);
    if (whiteout.kind === "skip") return;
    const parent = this.#parent(components);
    if (whiteout.kind === "opaque") return this.#clearLower(parent);
    if (whiteout.kind === "remove") return this.#whiteOut(join(parent, whiteout.name));
    this.#path = join(parent, base);
    this.#mark(this.#path);
    this.#create(header);
    this.#header = header;
  }

  #rootEntry(header: TarHeader): void {
    if (header.type !== "directory") {
      throw new GantryError(
        "INVALID_LAYER",
        `the layer wants its root to be a ${header.type}; it can only be a directory`,
      );
    }
    this.#directory("", header);
  }

  /** The real directory for a path's parent, made where it is missing. */
  #parent(components: readonly string[]): string {
    const path = components.join("/");
    if (this.#directories.has(path)) return path;
    const resolved = resolveInRoot(path, (at) => this.#look(at), { followLast: true, hops: this.#limits.symlinks });
    let at = "";
    for (const component of resolved.split("/")) {
      at = join(at, component);
      if (this.#directories.has(at)) continue;
      this.#mark(at);
      this.#replacing(at, (path) => mkdirSync(path, 0o700));
      this.#directories.set(at, implicitDirectory());
    }
    return resolved;
  }

  #look(path: string): PathNode {
    if (this.#directories.has(path)) return { kind: "directory" };
    try {
      return { kind: "symlink", target: readlinkSync(this.#at(path), "buffer").toString("latin1") };
    } catch (error) {
      return { kind: errnoOf(error) === "EINVAL" ? "other" : "missing" };
    }
  }

  /** Makes something where, after all, something may be; what is there goes. */
  #replacing(path: string, make: (path: FsPath) => void): void {
    const target = this.#at(path);
    try {
      make(target);
    } catch (error) {
      if (errnoOf(error) !== "EEXIST") throw error;
      this.#remove(path);
      make(target);
    }
  }

  #create(header: TarHeader): void {
    const path = this.#path;
    switch (header.type) {
      case "directory":
        if (!this.#directories.has(path)) {
          this.#replacing(path, (target) => mkdirSync(target, 0o700));
          this.#directories.set(path, implicitDirectory());
        }
        return this.#directory(path, header);
      case "file":
        return this.#replacing(path, (target) => {
          this.#fd = openSync(target as string, CREATE, 0o600);
        });
      case "symlink":
        if (header.linkname.length === 0)
          throw new GantryError("INVALID_LAYER", `the symbolic link ${shown(path)} leads nowhere`);
        return this.#replacing(path, (target) => symlinkSync(header.linkname, target));
      case "hardlink":
        return this.#link(path, header);
      default:
        return this.#special(path, header);
    }
  }

  #directory(path: string, header: TarHeader): void {
    const directory = this.#directories.get(path)!;
    this.#metadata.clearXattrs(this.#at(path), directory.xattrs);
    const { mode, uid, gid, mtime } = header;
    const xattrs = this.#metadata.xattrs(this.#at(path), header.xattrs, shown(path));
    Object.assign(directory, { mode, uid, gid, mtime, xattrs });
  }

  /** The target stands in the archive's own terms and is resolved like any path; its last component is not followed. */
  #link(path: string, header: TarHeader): void {
    const components = pathComponents(header.linkname.toString("latin1"));
    const base = components.pop();
    const directory = resolveInRoot(components.join("/"), (at) => this.#look(at), {
      followLast: true,
      hops: this.#limits.symlinks,
    });
    const source = base === undefined ? "" : join(directory, base);
    if (source === path) return;
    const fault = (why: string): GantryError =>
      new GantryError("INVALID_LAYER", `the hard link ${shown(path)} leads to ${shown(source)}, ${why}`);
    if (this.#directories.has(source)) throw fault("which is a directory");
    try {
      this.#replacing(path, (target) => linkSync(this.#at(source), target));
    } catch (error) {
      throw ["ENOENT", "ENOTDIR"].includes(errnoOf(error) ?? "") ? fault("which is not there") : error;
    }
  }

  #special(path: string, header: TarHeader): void {
    const { major, minor } = header;
    if (!this.#metadata.owners && header.type !== "fifo") {
      return this.#metadata.warn("device", `${shown(path)}: devices were left out: only root can make them`);
    }
    if (major < 0 || minor < 0 || major > MAX_MAJOR || minor > MAX_MINOR) {
      throw new GantryError(
        "INVALID_LAYER",
        `the device ${shown(path)} has the number ${major}:${minor}, which Linux does not have`,
      );
    }
    const kind = header.type === "fifo" ? S_IFIFO : header.type === "char" ? S_IFCHR : S_IFBLK;
    const system = native(`the ${header.type === "fifo" ? "fifo" : "device"} ${shown(path)} in a layer`);
    this.#replacing(path, (target) => system.mknod(target, kind | 0o600, major, minor));
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
    if (!header || header.type === "directory" || header.type === "hardlink") return;
    const { mode, uid, gid, mtime, xattrs } = header;
    const path = this.#at(this.#path);
    const metadata = this.#metadata;
    const foreign = uid !== 0 || gid !== 0;
    if (header.type === "file") {
      try {
        // Owners first: changing them takes away setuid and capabilities.
        if (foreign && metadata.owners) fchownSync(fd!, uid, gid);
        if (xattrs.size > 0) metadata.xattrs(path, xattrs, shown(this.#path));
        fchmodSync(fd!, mode);
        metadata.times(path, mtime, fd);
      } finally {
        closeSync(fd!);
      }
      return;
    }
    const special = header.type !== "symlink";
    if (special && !metadata.owners && header.type !== "fifo") return;
    if (foreign) metadata.chown(path, uid, gid);
    if (xattrs.size > 0) metadata.xattrs(path, xattrs, shown(this.#path));
    if (special) chmodSync(path, mode);
    metadata.times(path, mtime);
  }

  #mark(path: string): void {
    for (
      let at = path;
      at !== "" && this.#written && !this.#written.has(at);
      at = at.slice(0, Math.max(0, at.lastIndexOf("/")))
    ) {
      this.#written.add(at);
    }
  }

  /** A whiteout acts on the layers below, never on what its own layer wrote, in whatever order they come. */
  #whiteOut(path: string): void {
    if (!this.#written) return;
    if (!this.#written.has(path)) this.#remove(path);
    else if (this.#directories.has(path)) this.#clearLower(path);
  }

  #clearLower(directory: string): void {
    if (!this.#written) return;
    for (const name of this.#names(directory)) this.#whiteOut(join(directory, name));
  }

  #names(directory: string): string[] {
    return readdirSync(this.#at(directory), "buffer").map((name) => name.toString("latin1"));
  }

  /** Removes what is at a path, if anything is. Only directories that the tree knows are gone into. */
  #remove(path: string): void {
    if (this.#directories.has(path)) {
      for (const name of this.#names(path)) this.#remove(join(path, name));
      rmdirSync(this.#at(path));
      this.#directories.delete(path);
      return;
    }
    try {
      unlinkSync(this.#at(path));
    } catch (error) {
      if (errnoOf(error) !== "ENOENT" && errnoOf(error) !== "ENOTDIR") throw error;
    }
  }

  /** Sets the metadata of all directories, deepest first, when all layers are in. The root's is left to the caller. */
  finish(): void {
    for (const [path, directory] of [...this.#directories].reverse()) {
      if (path !== "") setDirectoryMetadata(this.#at(path), directory, this.#metadata);
    }
  }

  /** What the root is to have when it is where it belongs. */
  get root(): RootMetadata {
    const { mode, uid, gid, mtime } = this.#directories.get("")!;
    return { mode, uid, gid, mtime };
  }

  /** Closes what a failure left open. */
  abandon(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }
}

/** Mode, owner and times of a tree's root. Its attributes are on it already. */
export type RootMetadata = Pick<Directory, "mode" | "uid" | "gid" | "mtime">;

/** Sets what a directory is to have; nothing may change in it afterwards. */
export function setDirectoryMetadata(
  path: FsPath,
  directory: RootMetadata,
  metadata: MetadataWriter = new MetadataWriter(),
): void {
  const { mode, uid, gid, mtime } = directory;
  if (uid !== 0 || gid !== 0) metadata.chown(path, uid, gid);
  chmodSync(path, mode);
  metadata.times(path, mtime);
}

const join = (directory: string, name: string): string => (directory === "" ? name : `${directory}/${name}`);
