import {
  closeSync,
  constants,
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
import { errnoOf, GantryError, hasErrno } from "../base/error.ts";
import { hasNative, native } from "../sys/native.ts";
import type { PathNode } from "../sys/resolve.ts";
import type { TarHeader } from "../tar/index.ts";
import type { DirectoryMetadata } from "./directory.ts";
import { MetadataWriter } from "./metadata.ts";
import { Owners } from "./owners.ts";
import { type FsPath, shown } from "./paths.ts";
import type { LayerTarget } from "./target.ts";
import { Warnings } from "./warnings.ts";
import { removeXattrs, setXattrs } from "./xattrs.ts";

const CREATE = constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY | (constants.O_NOFOLLOW ?? 0);
const S_IFCHR = 0o020000;
const S_IFBLK = 0o060000;
const S_IFIFO = 0o010000;
/** The largest device numbers that Linux can store. */
const MAX_MAJOR = 0xfff;
const MAX_MINOR = 0xfffff;

const isAscii = (path: string): boolean => !/[^\x00-\x7f]/.test(path);

export interface DirectoryTargetOptions {
  /** Fail if something cannot be kept, instead of leaving it out with a warning. */
  readonly strict?: boolean | undefined;
}

/**
 * A directory that receives all layers of an image. Entries that a layer hides are removed from it. It must be empty at
 * first, and closed to other processes.
 *
 * Its methods throw UNSUPPORTED (strict), INVALID_LAYER (device numbers), FILE_SYSTEM (attributes), and the errors of
 * node:fs.
 */
export class DirectoryTarget implements LayerTarget {
  readonly lowerLayers = 0;
  readonly #root: string;
  readonly #rootBytes: Buffer;
  readonly #owners: Owners;
  readonly #warnings: Warnings;
  readonly #metadata: MetadataWriter;
  /** The open file: its descriptor, its path in the tree and on disk, and its entry. */
  #fd: number | undefined;
  #filePath = "";
  #fileAt: FsPath = "";
  #fileHeader: TarHeader | undefined;

  constructor(root: string, { strict }: DirectoryTargetOptions = {}) {
    this.#root = root;
    this.#rootBytes = Buffer.from(`${root}/`);
    this.#owners = new Owners({ root });
    this.#warnings = new Warnings({ strict });
    this.#metadata = new MetadataWriter(this.#owners, this.#warnings);
  }

  get warnings(): readonly string[] {
    return this.#warnings.texts;
  }

  #at(path: string): FsPath {
    if (path === "") return this.#root;
    return isAscii(path) ? `${this.#root}/${path}` : Buffer.concat([this.#rootBytes, Buffer.from(path, "latin1")]);
  }

  lookUp(path: string): PathNode {
    try {
      return { kind: "symlink", target: readlinkSync(this.#at(path), "buffer").toString("latin1") };
    } catch (error) {
      return { kind: errnoOf(error) === "EINVAL" ? "other" : "missing" };
    }
  }

  list(path: string): string[] {
    return readdirSync(this.#at(path), "buffer").map((name) => name.toString("latin1"));
  }

  makeDirectory(path: string): undefined {
    mkdirSync(this.#at(path), 0o700);
  }

  createFile(path: string, header: TarHeader): void {
    const at = this.#at(path);
    this.#fd = openSync(at as string, CREATE, 0o600);
    this.#filePath = path;
    this.#fileAt = at;
    this.#fileHeader = header;
  }

  write(chunk: Buffer): void {
    for (let at = 0; at < chunk.length; ) at += writeSync(this.#fd!, chunk, at, chunk.length - at);
  }

  endFile(): void {
    const fd = this.#fd!;
    this.#fd = undefined;
    try {
      this.#metadata.openFile(fd, this.#fileAt, this.#filePath, this.#fileHeader!);
    } finally {
      closeSync(fd);
    }
  }

  createSymlink(path: string, header: TarHeader): void {
    const at = this.#at(path);
    symlinkSync(header.linkname, at);
    this.#metadata.entry(at, path, header);
  }

  createLink(existing: string, path: string): void {
    linkSync(this.#at(existing), this.#at(path));
  }

  createSpecial(path: string, header: TarHeader): boolean {
    const { major, minor, type } = header;
    if (!this.#owners.isRoot && type !== "fifo") {
      this.#warnings.add("device", `${shown(path)}: devices were left out: only root can create them`);
      return false;
    }
    if (major < 0 || minor < 0 || major > MAX_MAJOR || minor > MAX_MINOR) {
      throw new GantryError(
        "INVALID_LAYER",
        `the device ${shown(path)} has the number ${major}:${minor}, which Linux does not support`,
      );
    }
    if (!hasNative()) {
      const what = type === "fifo" ? "fifos" : "devices";
      this.#warnings.add(
        `native ${type}`,
        `${shown(path)}: ${what} were left out: creating them needs Linux and the optional package koffi`,
      );
      return false;
    }
    if (type === "char" && major === 0 && minor === 0) {
      this.#warnings.add(
        "whiteout",
        `${shown(path)} is a character device 0:0, which overlayfs takes for a whiteout; it was created as a device`,
      );
    }
    const kind = type === "fifo" ? S_IFIFO : type === "char" ? S_IFCHR : S_IFBLK;
    const at = this.#at(path);
    native().mknod(at, kind | 0o600, major, minor);
    this.#metadata.entry(at, path, header);
    return true;
  }

  remove(path: string): void {
    try {
      unlinkSync(this.#at(path));
    } catch (error) {
      if (!hasErrno(error, "ENOENT", "ENOTDIR")) throw error;
    }
  }

  removeDirectory(path: string): void {
    rmdirSync(this.#at(path));
  }

  hide(): void {}

  markOpaque(): void {}

  replaceXattrs(path: string, before: readonly string[], xattrs: ReadonlyMap<string, Buffer>): readonly string[] {
    const at = this.#at(path);
    removeXattrs(at, before);
    return setXattrs(at, xattrs, shown(path), this.#warnings);
  }

  finishDirectory(path: string, metadata: DirectoryMetadata): void {
    this.#metadata.directory(this.#at(path), metadata);
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }
}
