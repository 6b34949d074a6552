import { lstatSync, readlinkSync } from "node:fs";
import { errnoOf, GantryError } from "../base/error.ts";
import { defaultLimits } from "../base/limits.ts";

/** What stands at a path inside a root. */
export type PathNode =
  | { readonly kind: "directory" | "missing" | "other" }
  | { readonly kind: "symlink"; readonly target: string };

/** Splits a path from an archive or an image into components; `.`, empty ones and `..` past the root vanish. */
export function pathComponents(path: string): string[] {
  const components: string[] = [];
  for (const part of path.split("/")) {
    if (part === "..") components.pop();
    else if (part !== "" && part !== ".") components.push(part);
  }
  return components;
}

/**
 * Resolves `path` inside a root that it cannot leave: absolute links start at the root, `..` stops there. Every
 * component is looked up by `look`, which must not follow links. What is missing, or is no directory, ends the
 * lookups: the rest is appended as it is. The result is relative, without links in all but (unless `followLast`)
 * its last component.
 * @throws LINK_LOOP past `hops` links
 */
export function resolveInRoot(
  path: string,
  look: (path: string) => PathNode,
  options: { readonly followLast?: boolean; readonly hops?: number } = {},
): string {
  const maxHops = options.hops ?? defaultLimits.symlinks;
  const pending = pathComponents(path).reverse();
  const resolved: string[] = [];
  let hops = 0;
  let real = true;
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    if (next === "..") {
      // Only link targets bring these. Going up leaves what may be missing for a directory that was seen.
      resolved.pop();
      real = true;
      continue;
    }
    resolved.push(next);
    if (!real || (pending.length === 0 && !options.followLast)) continue;
    const node = look(resolved.join("/"));
    if (node.kind === "symlink") {
      hops += 1;
      if (hops > maxHops) {
        throw new GantryError("LINK_LOOP", `${JSON.stringify(path)}: more than ${maxHops} symbolic links on the way`);
      }
      if (node.target.startsWith("/")) resolved.length = 0;
      else resolved.pop();
      for (const part of node.target.split("/").reverse()) if (part !== "" && part !== ".") pending.push(part);
    } else if (node.kind !== "directory") {
      real = false;
    }
  }
  return resolved.join("/");
}

/** A `look` for {@link resolveInRoot} over a directory on disk. Paths are as Node decodes them. */
export function lookOnDisk(root: string): (path: string) => PathNode {
  return (path) => {
    const full = `${root}/${path}`;
    try {
      const stat = lstatSync(full);
      if (stat.isSymbolicLink()) return { kind: "symlink", target: readlinkSync(full) };
      return { kind: stat.isDirectory() ? "directory" : "other" };
    } catch (error) {
      if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR") return { kind: "missing" };
      throw error;
    }
  };
}
