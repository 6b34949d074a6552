import { lstatSync, readlinkSync } from "node:fs";
import { GantryError, hasErrno } from "../base/error.ts";
import { defaultLimits } from "../base/limits.ts";

/** The entry at a path inside a root. */
export type PathNode =
  | { readonly kind: "directory" | "missing" | "other" }
  | { readonly kind: "symlink"; readonly target: string };

/** The entry of a name in a directory. */
export type Found<D> =
  | { readonly kind: "directory"; readonly directory: D }
  | { readonly kind: "missing" | "other" }
  | { readonly kind: "symlink"; readonly target: string };

/** A tree of directories in which paths are resolved; `D` stands for a directory. */
export interface Tree<D> {
  readonly root: D;
  /** The directory above; of the root, the root. */
  parent(directory: D): D;
  /** Must not follow links. */
  look(directory: D, name: string): Found<D>;
}

/** A resolved path: the last existing directory on the way, and the names below it. */
export interface Resolved<D> {
  readonly directory: D;
  readonly rest: readonly string[];
}

/** The most names that are looked up for one path, link targets included. */
const MAX_STEPS = 1024;

/**
 * Splits a path from an archive or an image into components. `.` and empty ones are dropped; `..` drops the component
 * before it, and stops at the root.
 */
export function pathComponents(path: string): string[] {
  const components: string[] = [];
  for (const part of path.split("/")) {
    if (part === "..") components.pop();
    else if (part !== "" && part !== ".") components.push(part);
  }
  return components;
}

/**
 * Resolves names inside a root that they cannot leave: absolute links start at the root, and `..` stops there. All links
 * are followed, also a last one. `rest` begins with the first name that is missing or is not a directory.
 * @throws LINK_LOOP past `hops` links, or if links make the path too long
 */
export function resolveIn<D>(
  tree: Tree<D>,
  names: readonly string[],
  hops: number = defaultLimits.symlinks,
): Resolved<D> {
  const pending = [...names].reverse();
  const rest: string[] = [];
  let directory = tree.root;
  let links = 0;
  let steps = -names.length;
  const shown = (): string => JSON.stringify(names.join("/"));
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    steps += 1;
    if (steps > MAX_STEPS) {
      throw new GantryError("LINK_LOOP", `${shown()} leads, through symbolic links, over more than ${MAX_STEPS} names`);
    }
    if (name === "..") {
      if (rest.length > 0) rest.pop();
      else directory = tree.parent(directory);
      continue;
    }
    const found = rest.length > 0 ? undefined : tree.look(directory, name);
    if (found?.kind === "directory") {
      directory = found.directory;
    } else if (found?.kind === "symlink") {
      links += 1;
      if (links > hops) throw new GantryError("LINK_LOOP", `${shown()} leads through more than ${hops} symbolic links`);
      if (found.target.startsWith("/")) directory = tree.root;
      for (const part of found.target.split("/").reverse()) if (part !== "" && part !== ".") pending.push(part);
    } else rest.push(name);
  }
  return { directory, rest };
}

/**
 * Resolves `path` inside a root as {@link resolveIn} does. `look` returns the entry at a path, and must not follow links.
 * The result is relative and leads through no link. Unless `followLast` is set, its last component may be a link.
 * @throws LINK_LOOP
 */
export function resolveInRoot(
  path: string,
  look: (path: string) => PathNode,
  options: { readonly followLast?: boolean | undefined; readonly hops?: number | undefined } = {},
): string {
  const names = pathComponents(path);
  const last = options.followLast ? undefined : names.pop();
  const below = (directory: string, name: string): string => (directory === "" ? name : `${directory}/${name}`);
  const tree: Tree<string> = {
    root: "",
    parent: (directory) => directory.slice(0, Math.max(0, directory.lastIndexOf("/"))),
    look(directory, name) {
      const path = below(directory, name);
      const node = look(path);
      if (node.kind === "symlink") return node;
      return node.kind === "directory" ? { kind: node.kind, directory: path } : { kind: node.kind };
    },
  };
  const { directory, rest } = resolveIn(tree, names, options.hops);
  return [directory, ...rest, ...(last === undefined ? [] : [last])].filter((part) => part !== "").join("/");
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
      if (hasErrno(error, "ENOENT", "ENOTDIR")) return { kind: "missing" };
      throw error;
    }
  };
}
