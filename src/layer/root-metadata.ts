import { chmod, chown, stat } from "node:fs/promises";
import { errnoOf } from "../base/error.ts";
import { hasNative, native } from "../sys/native.ts";

/**
 * Reads what the root of a tree has, and returns what gives it to another directory: a mount point gets the content of
 * a tree, not the tree itself.
 */
export async function rootMetadata(from: string): Promise<(to: string) => Promise<void>> {
  const { mode, uid, gid, mtimeNs } = await stat(from, { bigint: true });
  const xattrs = hasNative()
    ? native("")
        .llistxattr(from)
        .map((name) => [name, native("").lgetxattr(from, name) ?? Buffer.alloc(0)] as const)
    : [];
  return async (to) => {
    if (process.geteuid?.() === 0) await chown(to, Number(uid), Number(gid));
    for (const [name, value] of xattrs) {
      try {
        native("").lsetxattr(to, name, value);
      } catch (error) {
        if (!["ENOTSUP", "EPERM"].includes(errnoOf(error) ?? "")) throw error;
      }
    }
    await chmod(to, Number(mode) & 0o7777);
    if (!hasNative()) return;
    const nanoseconds = ((mtimeNs % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n;
    native("").lutimens(to, (mtimeNs - nanoseconds) / 1_000_000_000n, Number(nanoseconds));
  };
}
