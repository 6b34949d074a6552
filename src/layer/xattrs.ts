import { statfsSync } from "node:fs";
import { errnoOf, GantryError, hasErrno } from "../base/error.ts";
import { hasNative, native } from "../sys/native.ts";
import type { FsPath } from "./paths.ts";
import type { Warnings } from "./warnings.ts";

/**
 * Sets the extended attributes of an entry. Attributes that would act on the overlayfs or the security module of this
 * host are left out with a warning; so are those that the file system does not support.
 * @param name the entry, for messages
 * @returns the names of the attributes that were set
 * @throws FILE_SYSTEM if a value is too large for the file system; UNSUPPORTED if one is left out and warnings are strict
 */
export function setXattrs(
  path: FsPath,
  xattrs: ReadonlyMap<string, Buffer>,
  name: string,
  warnings: Warnings,
): string[] {
  const set: string[] = [];
  for (const [key, value] of xattrs) {
    if (isHostAttribute(key)) {
      warnings.add(key, `${name}: the extended attribute ${key} was left out: it would act on this host`);
      continue;
    }
    if (!hasNative()) {
      warnings.add(
        "xattr",
        `${name}: extended attributes were left out: they need Linux and the optional package koffi`,
      );
      return set;
    }
    try {
      native().lsetxattr(path, key, value);
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
      if (!hasErrno(error, "ENOTSUP", "EPERM", "EACCES")) throw error;
      warnings.add(`${errno} ${key}`, `${name}: the extended attribute ${key} could not be set (${errno})`);
    }
  }
  return set;
}

/** Removes attributes that {@link setXattrs} set. */
export function removeXattrs(path: FsPath, names: readonly string[]): void {
  for (const name of names) {
    try {
      native().lremovexattr(path, name);
    } catch (error) {
      if (!hasErrno(error, "ENODATA", "ENOTSUP", "EPERM", "EACCES")) throw error;
    }
  }
}

/** Removes the access control lists of a file or directory. */
export function removeAcls(path: string): void {
  const system = native();
  try {
    for (const name of system.llistxattr(path).map(String)) {
      if (name.startsWith("system.posix_acl_")) system.lremovexattr(path, name);
    }
  } catch (error) {
    // A file system without extended attributes has no access control lists either.
    if (errnoOf(error) !== "ENOTSUP") throw error;
  }
}

/**
 * Copies the extended attributes of a directory to another, whose access control lists are removed. Attributes that the
 * file system does not support are left out.
 */
export function copyXattrs(from: string, to: string): void {
  removeAcls(to);
  const system = native();
  for (const name of system.llistxattr(from)) {
    try {
      system.lsetxattr(to, name, system.lgetxattr(from, name) ?? Buffer.alloc(0));
    } catch (error) {
      if (!hasErrno(error, "ENOTSUP", "EPERM")) throw error;
    }
  }
}

/** ENOSPC can mean that the disk is full, or that an attribute does not fit beside its inode. */
function isTooLarge(errno: string, path: FsPath): boolean {
  if (errno === "E2BIG" || errno === "ERANGE") return true;
  return errno === "ENOSPC" && statfsSync(path).bavail > 0;
}

/** trusted.overlay.* and user.overlay.* would act if the tree became part of an overlay mount. */
function isHostAttribute(name: string): boolean {
  return /^(?:trusted|user)\.overlay\./.test(name) || name === "security.selinux" || name === "system.nfs4_acl";
}
