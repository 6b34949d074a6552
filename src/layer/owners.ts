import { fchownSync, lchownSync, lstatSync } from "node:fs";
import { GantryError } from "../base/error.ts";
import { pathComponents } from "../sys/resolve.ts";
import type { TarHeader } from "../tar/index.ts";
import { type FsPath, shown } from "./paths.ts";

/** The largest id that Linux can store: the one above means "leave it" in chown. */
const MAX_ID = 0xffff_fffe;

/** @throws INVALID_LAYER if an entry has a user or group id that Linux cannot store */
export function checkOwner({ uid, gid, name }: TarHeader): void {
  if (uid >= 0 && gid >= 0 && uid <= MAX_ID && gid <= MAX_ID) return;
  const path = pathComponents(name.toString("latin1")).join("/");
  throw new GantryError(
    "INVALID_LAYER",
    `${shown(path)} belongs to ${uid}:${gid}, which Linux cannot store as user and group id`,
  );
}

/** Turns ids of an image into ids of this host, as a user namespace does. */
export interface IdMapping {
  uid(id: number): number;
  gid(id: number): number;
}

export interface OwnersOptions {
  /** The directory that everything is created in. It is empty, and this process has just created it. */
  readonly root: string;
  /** Default: every id stands for itself. */
  readonly mapping?: IdMapping | undefined;
}

/** Gives new files and directories their owners. Every owner that is set passes through here. */
export class Owners {
  /** Only root can set owners. */
  readonly isRoot: boolean = process.geteuid?.() === 0;
  /** Whether the kernel gives the owner 0:0 to everything that is created in the root, so that it need not be set. */
  readonly #rootByDefault: boolean;
  readonly #mapping: IdMapping | undefined;

  constructor({ root, mapping }: OwnersOptions) {
    // If the root inherited another owner from its parent directory, everything that is created in it inherits it too.
    const { uid, gid } = lstatSync(root);
    this.#rootByDefault = uid === 0 && gid === 0 && process.getegid?.() === 0;
    this.#mapping = mapping;
  }

  /** Gives a new entry to its owner, as the image names it. Does not follow a link; does nothing unless root. */
  set(path: FsPath, uid: number, gid: number): void {
    const user = this.#uid(uid);
    const group = this.#gid(gid);
    if (this.#mustSet(user, group)) lchownSync(path, user, group);
  }

  /** The same for an open file. */
  setOpen(fd: number, uid: number, gid: number): void {
    const user = this.#uid(uid);
    const group = this.#gid(gid);
    if (this.#mustSet(user, group)) fchownSync(fd, user, group);
  }

  #uid(id: number): number {
    return this.#mapping ? this.#mapping.uid(id) : id;
  }

  #gid(id: number): number {
    return this.#mapping ? this.#mapping.gid(id) : id;
  }

  #mustSet(uid: number, gid: number): boolean {
    return this.isRoot && !(uid === 0 && gid === 0 && this.#rootByDefault);
  }
}
