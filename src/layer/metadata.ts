import { chmodSync, futimesSync, lchownSync, lstatSync, lutimesSync, statfsSync } from "node:fs";
import { errnoOf, GantryError } from "../base/error.ts";
import { hasNative, native } from "../sys/native.ts";
import type { Time } from "../tar/header.ts";
import type { DirectoryMetadata } from "./tree.ts";

export type FsPath = string | Buffer;

/** Warnings are for people; there is no use in more than this many. */
const MAX_WARNINGS = 100;

export interface MetadataOptions {
  /** The directory that all is made in, as it is before anything is. */
  readonly root: string;
  /** Throw what would be a warning. */
  readonly strict?: boolean | undefined;
}

/** Sets owners, times and extended attributes of what was just made, and remembers what could not be set. */
export class MetadataWriter {
  readonly warnings: string[] = [];
  /** Whether owners are set: only root can. */
  readonly owners: boolean = process.geteuid?.() === 0;
  /** Whether what is made in the root belongs to 0:0 by itself. */
  readonly #ownedByRoot: boolean;
  readonly #strict: boolean;
  readonly #said = new Set<string>();

  constructor({ root, strict = false }: MetadataOptions) {
    this.#strict = strict;
    // The root was made by this process just now: whatever gave it another owner does so to all that is made in it.
    const { uid, gid } = lstatSync(root);
    this.#ownedByRoot = uid === 0 && gid === 0 && process.getegid?.() === 0;
  }

  /** @throws UNSUPPORTED where the caller asked for all or nothing */
  warn(kind: string, text: string): void {
    if (this.#strict) throw new GantryError("UNSUPPORTED", `${text}; without strict it would be left out`);
    if (this.#said.has(kind) || this.warnings.length >= MAX_WARNINGS) return;
    this.#said.add(kind);
    this.warnings.push(text);
  }

  /** @throws INVALID_LAYER past what the kernel can store */
  checkOwner(uid: number, gid: number, name: string): void {
    const max = 0xffff_fffe;
    if (uid >= 0 && gid >= 0 && uid <= max && gid <= max) return;
    throw new GantryError("INVALID_LAYER", `${name} belongs to ${uid}:${gid}, which is no user or group id`);
  }

  /** Whether something that was just made has to be given to its owner. */
  mustChown(uid: number, gid: number): boolean {
    return this.owners && !(uid === 0 && gid === 0 && this.#ownedByRoot);
  }

  chown(path: FsPath, uid: number, gid: number): void {
    if (this.mustChown(uid, gid)) lchownSync(path, uid, gid);
  }

  /** Sets what a directory is to have; nothing may change in it afterwards. */
  directory(path: FsPath, { mode, uid, gid, mtime }: DirectoryMetadata): void {
    this.chown(path, uid, gid);
    chmodSync(path, mode);
    this.times(path, mtime);
  }

  /** Whole seconds go through Node, finer ones through utimensat, as Node's times are floating point. */
  times(path: FsPath, time: Time, fd?: number): void {
    if (time.nanoseconds === 0 && time.seconds >= 0) {
      if (fd === undefined) lutimesSync(path, time.seconds, time.seconds);
      else futimesSync(fd, time.seconds, time.seconds);
      return;
    }
    if (hasNative()) return native("").lutimens(path, BigInt(time.seconds), time.nanoseconds);
    this.warn("times", "times were set to the millisecond only: the optional package koffi is not installed");
    // A number below 0 would mean "now" to Node; a Date does not.
    const date = new Date(time.seconds * 1000 + Math.floor(time.nanoseconds / 1e6));
    lutimesSync(path, date, date);
  }

  /**
   * Sets the attributes of an entry. Those that steer the host's overlayfs, or that its security module owns, are left
   * out; those that the file system does not know are reported once. Returns the names that were set.
   */
  xattrs(path: FsPath, xattrs: ReadonlyMap<string, Buffer>, name: string): string[] {
    const set: string[] = [];
    for (const [key, value] of xattrs) {
      if (isHostAttribute(key)) {
        this.warn(key, `${name}: the extended attribute ${key} was left out: it would steer this host`);
        continue;
      }
      if (!hasNative()) {
        this.warn(
          "xattr",
          `${name}: extended attributes were left out: they need Linux and the optional package koffi`,
        );
        return set;
      }
      try {
        native("").lsetxattr(path, key, value);
        set.push(key);
      } catch (error) {
        const errno = errnoOf(error) ?? "";
        if (isTooLarge(errno, path)) {
          throw new GantryError(
            "FILE_SYSTEM",
            `${name}: the extended attribute ${key} has ${value.length} bytes, which is more than this file system can keep (${errno})`,
            { cause: error, details: { errno, attribute: key } },
          );
        }
        if (!["ENOTSUP", "EPERM", "EACCES"].includes(errno)) throw error;
        this.warn(`${errno} ${key}`, `${name}: the extended attribute ${key} could not be set (${errno})`);
      }
    }
    return set;
  }

  /** Takes away what an entry of a lower layer had set. */
  clearXattrs(path: FsPath, names: Iterable<string>): void {
    for (const name of names) {
      try {
        native("").lremovexattr(path, name);
      } catch (error) {
        if (!["ENODATA", "ENOTSUP", "EPERM", "EACCES"].includes(errnoOf(error) ?? "")) throw error;
      }
    }
  }
}

/** ENOSPC says both that an attribute does not fit beside its inode, and that the disk is full. */
function isTooLarge(errno: string, path: FsPath): boolean {
  if (errno === "E2BIG" || errno === "ERANGE") return true;
  return errno === "ENOSPC" && statfsSync(path).bavail > 0;
}

/** trusted.overlay.* and user.overlay.* would act if the tree became part of an overlay mount. */
function isHostAttribute(name: string): boolean {
  return /^(?:trusted|user)\.overlay\./.test(name) || name === "security.selinux" || name === "system.nfs4_acl";
}
