import { chmod, readdir, rm, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { DirectoryHandle } from "../sys/handle.ts";
import { isAbandoned, isTemporary } from "../sys/process-owner.ts";

/** Removes the staging directories of dead processes: only those that this user created, and nothing through a link. */
export async function removeAbandonedStagings(around: DirectoryHandle): Promise<void> {
  const names = await readdir(around.path).catch(() => []);
  for (const name of names) {
    const path = `${around.path}/${name}`;
    if (!name.startsWith(".") || !isTemporary(name) || !isAbandoned(path)) continue;
    const left = await DirectoryHandle.open(path).catch(() => undefined);
    if (!left) continue;
    try {
      if (!(await isStaging(left))) continue;
      await removeContents(left.path);
      await rmdir(path).catch(() => {});
    } finally {
      await left.close();
    }
  }
}

/** False for another directory of this user with such a name: it has other entries or another mode. */
async function isStaging(directory: DirectoryHandle): Promise<boolean> {
  const { uid, mode } = await directory.stat();
  if (uid !== process.geteuid?.() || (mode & 0o077) !== 0) return false;
  const names = await readdir(directory.path);
  return names.every((name) => name === "rootfs");
}

/**
 * Removes everything in a staging directory, also if directories of the tree already have modes that lock this user out.
 * Does not throw: it runs after failures, whose errors must reach the caller.
 */
export async function removeContents(directory: string): Promise<void> {
  const remove = async (): Promise<void> => {
    for (const name of await readdir(directory)) await rm(join(directory, name), { recursive: true, force: true });
  };
  await remove().catch(() =>
    unlock(`${directory}/.`)
      .then(remove)
      .catch(() => {}),
  );
}

/** Lets this user into all directories of a tree. */
async function unlock(path: string): Promise<void> {
  await chmod(path, 0o700);
  for (const entry of await readdir(path, { withFileTypes: true })) {
    if (entry.isDirectory()) await unlock(join(path, entry.name));
  }
}
