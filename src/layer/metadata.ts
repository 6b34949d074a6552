import { futimesSync, lchownSync, lutimesSync } from "node:fs";
import { errnoOf, GantryError } from "../base/error.ts";
import { hasNative, native } from "../sys/native.ts";
import type { Time } from "../tar/header.ts";

export type FsPath = string | Buffer;

/** Warnings are for people; there is no use in more than this many. */
const MAX_WARNINGS = 100;

/** Sets owners, times and extended attributes of what was just made, and remembers what could not be set. */
export class MetadataWriter {
  readonly warnings: string[] = [];
  /** Whether owners are set: only root can. */
  readonly owners: boolean = process.geteuid?.() === 0;
  readonly #said = new Set<string>();

  warn(kind: string, text: string): void {
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

  chown(path: FsPath, uid: number, gid: number): void {
    if (this.owners) lchownSync(path, uid, gid);
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

/** trusted.overlay.* and user.overlay.* would act if the tree became part of an overlay mount. */
function isHostAttribute(name: string): boolean {
  return /^(?:trusted|user)\.overlay\./.test(name) || name === "security.selinux" || name === "system.nfs4_acl";
}
