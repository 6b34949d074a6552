import { chmod, lchown, mkdir, readdir, rename, rmdir } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { GantryError } from "../base/error.ts";
import { fileSystemError } from "../sys/fs-error.ts";
import { canHoldDirectories, DirectoryHandle, othersCanReplace } from "../sys/handle.ts";
import { makeDirectories } from "../sys/make-directories.ts";
import { hasNative } from "../sys/native.ts";
import { temporaryName } from "../sys/process-owner.ts";
import type { DirectoryMetadata } from "./directory.ts";
import { MetadataWriter } from "./metadata.ts";
import { Owners } from "./owners.ts";
import { mustFill, requireEmpty } from "./staging-place.ts";
import { removeAbandonedStagings, removeContents } from "./staging-remove.ts";
import { Warnings } from "./warnings.ts";
import { copyXattrs, removeAcls } from "./xattrs.ts";

/**
 * The directory in which a tree is built until it is complete. Only this user can enter it (0700). It is beside the
 * target, or in the target if that is a mount point or if this user may not rename it in its directory. If another user
 * could rename a directory of the path, everything is reached through open directories.
 */
export class Staging {
  /** The path of the tree, for system calls. */
  readonly tree: string;
  readonly #target: string;
  /** Whether the staging directory is in the target, which then receives the entries of the tree. */
  readonly #fills: boolean;
  /** The directory that the staging directory is in. */
  readonly #around: DirectoryHandle;
  readonly #own: DirectoryHandle;
  readonly #name: string;

  private constructor(target: string, fills: boolean, around: DirectoryHandle, own: DirectoryHandle, name: string) {
    this.#target = target;
    this.#fills = fills;
    this.#around = around;
    this.#own = own;
    this.#name = name;
    this.tree = `${own.path}/rootfs`;
  }

  /**
   * Creates a staging directory for an absolute path, and removes those that killed processes left.
   * @throws TARGET_NOT_EMPTY, FILE_SYSTEM, NO_SPACE
   */
  static async create(target: string): Promise<Staging> {
    const parent = dirname(target);
    try {
      await makeDirectories(parent);
      const fills = await mustFill(target);
      const place = fills ? target : parent;
      const others = await othersCanReplace(place);
      if (others && !canHoldDirectories()) throw unsafe(place);
      const around = await DirectoryHandle.open(place, { follow: !fills, plain: !others });
      try {
        await removeAbandonedStagings(around);
        await requireEmpty(target);
        return await Staging.#make(target, fills, around, others);
      } catch (error) {
        await around.close();
        throw error;
      }
    } catch (error) {
      throw await fileSystemError(error, "creating the staging directory for", target);
    }
  }

  static async #make(target: string, fills: boolean, around: DirectoryHandle, others: boolean): Promise<Staging> {
    const name = temporaryName(basename(target), { hidden: true });
    const path = `${around.path}/${name}`;
    await mkdir(path, { mode: 0o700 });
    let own: DirectoryHandle | undefined;
    try {
      own = await DirectoryHandle.open(path, { plain: !others });
      await requireOurs(own, path);
      await inheritNothing(own);
      await mkdir(`${own.path}/rootfs`, { mode: 0o700 });
      return new Staging(target, fills, around, own, name);
    } catch (error) {
      await own?.close();
      await rmdir(path).catch(() => {});
      throw error;
    }
  }

  /** Moves the complete tree to the target, and sets the metadata of its root. A failure leaves nothing in the target. */
  async publish(root: DirectoryMetadata): Promise<void> {
    const tree = await DirectoryHandle.open(this.tree);
    try {
      if (this.#fills) await this.#fill(tree, root);
      else await this.#place(tree, root);
    } finally {
      await tree.close();
    }
  }

  async #place(tree: DirectoryHandle, root: DirectoryMetadata): Promise<void> {
    const place = `${this.#around.path}/${basename(this.#target)}`;
    await rename(this.tree, place);
    try {
      // The metadata is set after the rename, because only root can rename a directory that is not writable, and through
      // the handle, because another user may replace the directory.
      setRoot(tree, root);
    } catch (error) {
      await rename(place, this.tree);
      throw error;
    }
  }

  /** Moves the entries of the tree into the target. After a failure, those already moved are moved back. */
  async #fill(tree: DirectoryHandle, root: DirectoryMetadata): Promise<void> {
    const moved: Buffer[] = [];
    const target = this.#around;
    try {
      for (const name of await readdir(tree.path, { encoding: "buffer" })) {
        await rename(below(tree, name), below(target, name));
        moved.push(name);
      }
      if (hasNative()) copyXattrs(tree.self, target.self);
      // The staging directory is in the target: removing it changes the times of the target, so those are set last.
      await this.remove();
      setRoot(target, root);
    } catch (error) {
      for (const name of moved) await rename(below(target, name), below(tree, name)).catch(() => {});
      throw error;
    }
  }

  /** Removes the staging directory with everything in it. */
  async remove(): Promise<void> {
    await removeContents(this.#own.path);
    await rmdir(`${this.#around.path}/${this.#name}`).catch(() => {});
  }

  /** Closes the open directories. To be called last. */
  async close(): Promise<void> {
    await this.#own.close();
    await this.#around.close();
  }
}

const below = (directory: DirectoryHandle, name: Buffer): Buffer =>
  Buffer.concat([Buffer.from(`${directory.path}/`), name]);

function setRoot(directory: DirectoryHandle, root: DirectoryMetadata): void {
  new MetadataWriter(new Owners({ root: directory.self }), new Warnings()).directory(directory.self, root);
}

function unsafe(place: string): GantryError<"FILE_SYSTEM"> {
  return new GantryError(
    "FILE_SYSTEM",
    `${place}: another user can rename directories of this path and redirect what is written; unpack below a directory that only you, or root, can write to`,
    { details: { path: place } },
  );
}

/** @throws FILE_SYSTEM if another user replaced the directory between its creation and its opening */
async function requireOurs(directory: DirectoryHandle, path: string): Promise<void> {
  const { uid, mode } = await directory.stat();
  const ours = process.platform === "win32" || (uid === process.geteuid?.() && (mode & 0o077) === 0);
  if (ours && (await readdir(directory.path)).length === 0) return;
  throw new GantryError("FILE_SYSTEM", `${path} was replaced while it was created; unpack to another directory`, {
    details: { path },
  });
}

/** Removes the owner, the set-group-ID bit and the access control lists that a directory inherited from its parent. */
async function inheritNothing(directory: DirectoryHandle): Promise<void> {
  if (process.platform === "win32") return;
  if (process.geteuid?.() === 0) await lchown(directory.self, 0, 0);
  await chmod(directory.self, 0o700);
  if (hasNative()) removeAcls(directory.self);
}
