import { chmod, chown, stat } from "node:fs/promises";
import { errnoOf } from "../base/error.ts";
import { hasNative, native } from "../sys/native.ts";

/** Gives a mount point what the root of a tree has: the tree's content was moved into it, not the tree itself. */
export async function copyRootMetadata(from: string, to: string): Promise<void> {
  const { mode, uid, gid, mtimeNs } = await stat(from, { bigint: true });
  const root = process.geteuid?.() === 0;
  if (root) await chown(to, Number(uid), Number(gid));
  if (hasNative()) {
    for (const name of native("").llistxattr(from)) {
      try {
        native("").lsetxattr(to, name, native("").lgetxattr(from, name) ?? Buffer.alloc(0));
      } catch (error) {
        if (!["ENOTSUP", "EPERM"].includes(errnoOf(error) ?? "")) throw error;
      }
    }
  }
  await chmod(to, Number(mode) & 0o7777);
  if (hasNative()) {
    const nanoseconds = ((mtimeNs % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n;
    native("").lutimens(to, (mtimeNs - nanoseconds) / 1_000_000_000n, Number(nanoseconds));
  }
}
