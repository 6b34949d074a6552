import {
  access,
  chmod,
  constants,
  lchown,
  lstat,
  mkdir,
  readdir,
  readFile,
  realpath,
  rename,
  rm,
  rmdir,
} from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { errnoOf, GantryError } from "../base/error.ts";
import { fileSystemError } from "../sys/fs-error.ts";
import { canHoldDirectories, DirectoryHandle, othersCanReplace } from "../sys/handle.ts";
import { makeDirectories } from "../sys/make-directories.ts";
import { hasNative, native } from "../sys/native.ts";
import { isAbandoned, isTemporary, temporaryName } from "../sys/owner.ts";
import type { DirectoryMetadata } from "./directory.ts";
import { MetadataWriter } from "./metadata.ts";
import { Owners } from "./owners.ts";
import { Warnings } from "./warnings.ts";

/**
 * Where a tree grows until it is whole: a directory of this process alone (0700), beside the target or, where the
 * target is a mount point or the directory around it is not ours to write to, in it. Everything is reached through open
 * directories where another user could rename one on the way.
 */
export class Staging {
  /** The directory that becomes the tree, for system calls. */
  readonly tree: string;
  readonly #target: string;
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
   * Makes a place for the tree of an absolute path, and removes what killed processes left there.
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
        await removeAbandoned(around);
        await requireEmpty(target);
        return await Staging.#make(target, fills, around, others);
      } catch (error) {
        await around.close();
        throw error;
      }
    } catch (error) {
      throw await fileSystemError(error, "creating a directory to unpack in, beside", target);
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

  /** Moves the whole tree to its place, and gives its root what it is to have. What fails leaves nothing there. */
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
      // Last, and by the handle: a directory that cannot be written to cannot be renamed either, unless by root.
      setRoot(tree, root);
    } catch (error) {
      await rename(place, this.tree);
      throw error;
    }
  }

  /** Moves the entries of the tree into the target, or none: what was moved before a failure is moved back. */
  async #fill(tree: DirectoryHandle, root: DirectoryMetadata): Promise<void> {
    const moved: Buffer[] = [];
    const target = this.#around;
    try {
      for (const name of await readdir(tree.path, { encoding: "buffer" })) {
        await rename(below(tree, name), below(target, name));
        moved.push(name);
      }
      if (hasNative()) copyXattrs(tree.self, target.self);
      // Taking the staging directory away changes the times of the one it is in, which are set last.
      await this.remove();
      setRoot(target, root);
    } catch (error) {
      for (const name of moved) await rename(below(target, name), below(tree, name)).catch(() => {});
      throw error;
    }
  }

  /** Removes the staging directory with what is left in it. */
  async remove(): Promise<void> {
    await removeContents(this.#own.path);
    await rmdir(`${this.#around.path}/${this.#name}`).catch(() => {});
  }

  /** Lets the directories go; to be called last. */
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

/** Whether the tree has to be moved entry by entry: a mount point, or a directory in one of another user. */
async function mustFill(target: string): Promise<boolean> {
  const found = await lstat(target).catch(() => undefined);
  if (!found?.isDirectory()) return false;
  const parent = await lstat(await realpath(dirname(target)));
  if (parent.dev !== found.dev || (await mountPoints()).has(await realpath(target))) return true;
  const user = process.geteuid?.();
  if (user === undefined || user === 0) return false;
  if ((parent.mode & 0o1000) !== 0 && parent.uid !== user && found.uid !== user) return true;
  return !(await isWritable(dirname(target)));
}

async function isWritable(directory: string): Promise<boolean> {
  return access(directory, constants.W_OK | constants.X_OK).then(
    () => true,
    () => false,
  );
}

/** Where something is mounted, a bind mount of the same file system too. Empty where that cannot be told. */
async function mountPoints(): Promise<ReadonlySet<string>> {
  const text = await readFile("/proc/self/mountinfo", "latin1").catch(() => "");
  const plain = (field: string): string =>
    Buffer.from(
      field.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8))),
      "latin1",
    ).toString("utf8");
  return new Set(
    text
      .split("\n")
      .flatMap((line) => line.split(" ")[4] ?? [])
      .map(plain),
  );
}

/** @throws TARGET_NOT_EMPTY unless there is nothing, or an empty directory */
async function requireEmpty(target: string): Promise<void> {
  const found = await lstat(target).catch((error: unknown) => {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  });
  if (!found) return;
  const names = found.isDirectory() ? await readdir(target) : undefined;
  if (names?.every((name) => name === "lost+found")) return;
  throw new GantryError(
    "TARGET_NOT_EMPTY",
    `${target} ${names ? "is not empty" : "is not a directory"}; name a directory that is absent or empty`,
    { details: { path: target } },
  );
}

function unsafe(place: string): GantryError<"FILE_SYSTEM"> {
  return new GantryError(
    "FILE_SYSTEM",
    `${place}: another user can rename directories on the way there, and so turn what is written elsewhere; unpack below a directory that only you, or root, can write to`,
    { details: { path: place } },
  );
}

/** What was made just now may have been replaced before it was opened. */
async function requireOurs(directory: DirectoryHandle, path: string): Promise<void> {
  const { uid, mode } = await directory.stat();
  const ours = process.platform === "win32" || (uid === process.geteuid?.() && (mode & 0o077) === 0);
  if (ours && (await readdir(directory.path)).length === 0) return;
  throw new GantryError("FILE_SYSTEM", `${path} was replaced while it was made; unpack to another directory`, {
    details: { path },
  });
}

/** Takes away the group, the set-group-ID bit and the access lists that a directory has from the one it is in. */
async function inheritNothing(directory: DirectoryHandle): Promise<void> {
  if (process.platform === "win32") return;
  if (process.geteuid?.() === 0) await lchown(directory.self, 0, 0);
  await chmod(directory.self, 0o700);
  if (hasNative()) removeAcls(directory.self);
}

function removeAcls(path: string): void {
  const system = native("");
  try {
    for (const name of system.llistxattr(path).map(String)) {
      if (name.startsWith("system.posix_acl_")) system.lremovexattr(path, name);
    }
  } catch (error) {
    // A file system without extended attributes has no access lists either.
    if (errnoOf(error) !== "ENOTSUP") throw error;
  }
}

/** What the file system of the target does not know is left out. Its own access lists go: the tree has none of them. */
function copyXattrs(from: string, to: string): void {
  removeAcls(to);
  const system = native("");
  for (const name of system.llistxattr(from)) {
    try {
      system.lsetxattr(to, name, system.lgetxattr(from, name) ?? Buffer.alloc(0));
    } catch (error) {
      if (!["ENOTSUP", "EPERM"].includes(errnoOf(error) ?? "")) throw error;
    }
  }
}

/** Removes the staging directories of processes that are dead. Only what this user made, and nothing through a link. */
async function removeAbandoned(around: DirectoryHandle): Promise<void> {
  const names = await readdir(around.path).catch(() => []);
  for (const name of names) {
    const path = `${around.path}/${name}`;
    if (!name.startsWith(".") || !isTemporary(name) || !isAbandoned(path)) continue;
    const left = await DirectoryHandle.open(path).catch(() => undefined);
    if (!left) continue;
    try {
      const { uid, mode } = await left.stat();
      if (uid !== process.geteuid?.() || (mode & 0o077) !== 0) continue;
      // A directory of ours that was renamed to look like one of these has something else in it.
      const inside = await readdir(left.path);
      if (inside.some((entry) => entry !== "rootfs")) continue;
      await removeContents(left.path);
      await rmdir(path).catch(() => {});
    } finally {
      await left.close();
    }
  }
}

/** Removes a tree of ours. Its directories may have modes by now that keep us out; a failure must not hide another. */
async function removeContents(directory: string): Promise<void> {
  const remove = async (): Promise<void> => {
    for (const name of await readdir(directory)) await rm(join(directory, name), { recursive: true, force: true });
  };
  await remove().catch(async () => {
    const open = async (path: string): Promise<void> => {
      await chmod(path, 0o700);
      for (const entry of await readdir(path, { withFileTypes: true })) {
        if (entry.isDirectory()) await open(join(path, entry.name));
      }
    };
    await open(`${directory}/.`)
      .then(remove)
      .catch(() => {});
  });
}
