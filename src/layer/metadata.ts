import { chmodSync, fchmodSync, futimesSync, lutimesSync } from "node:fs";
import { hasNative, native } from "../sys/native.ts";
import type { TarHeader, Time } from "../tar/index.ts";
import type { DirectoryMetadata } from "./directory.ts";
import type { Owners } from "./owners.ts";
import { type FsPath, shown } from "./paths.ts";
import type { Warnings } from "./warnings.ts";
import { setXattrs } from "./xattrs.ts";

/**
 * Sets owner, extended attributes, mode and times, in this order: a change of the owner removes setuid bits and
 * capabilities, and a change of anything else can change the times.
 */
export class MetadataWriter {
  readonly #owners: Owners;
  readonly #warnings: Warnings;

  constructor(owners: Owners, warnings: Warnings) {
    this.#owners = owners;
    this.#warnings = warnings;
  }

  /** Sets the metadata of an open file. @param name the path of the entry in the tree */
  openFile(fd: number, path: FsPath, name: string, { uid, gid, xattrs, mode, mtime }: TarHeader): void {
    this.#owners.setOpen(fd, uid, gid);
    if (xattrs.size > 0) setXattrs(path, xattrs, shown(name), this.#warnings);
    fchmodSync(fd, mode);
    this.#times(path, mtime, fd);
  }

  /** Sets the metadata of an entry that is neither a regular file nor a directory. */
  entry(path: FsPath, name: string, { type, uid, gid, xattrs, mode, mtime }: TarHeader): void {
    this.#owners.set(path, uid, gid);
    if (xattrs.size > 0) setXattrs(path, xattrs, shown(name), this.#warnings);
    if (type !== "symlink") chmodSync(path, mode);
    this.#times(path, mtime);
  }

  /** Sets the metadata of a directory, except its extended attributes. Creating an entry later would change its times. */
  directory(path: FsPath, { uid, gid, mode, mtime }: DirectoryMetadata): void {
    this.#owners.set(path, uid, gid);
    chmodSync(path, mode);
    this.#times(path, mtime);
  }

  /** Node's times are floating-point numbers, so it sets whole seconds only; utimensat sets all others. */
  #times(path: FsPath, time: Time, fd?: number): void {
    if (time.nanoseconds === 0 && time.seconds >= 0) {
      if (fd === undefined) lutimesSync(path, time.seconds, time.seconds);
      else futimesSync(fd, time.seconds, time.seconds);
      return;
    }
    if (hasNative()) return native().lutimens(path, BigInt(time.seconds), time.nanoseconds);
    this.#warnings.add("times", "times were set to the millisecond only: the optional package koffi is not installed");
    // Node takes a negative number for the present time, so the time is given as a Date.
    const date = new Date(time.seconds * 1000 + Math.floor(time.nanoseconds / 1e6));
    lutimesSync(path, date, date);
  }
}
