import type { Time } from "../tar/index.ts";

/** Mode, owner, times and the names of the extended attributes of a directory. */
export interface DirectoryMetadata {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: Time;
  readonly xattrs: readonly string[];
}

/** The metadata of a new directory that no entry describes. */
export const undeclared: DirectoryMetadata = {
  mode: 0o755,
  uid: 0,
  gid: 0,
  mtime: { seconds: 0, nanoseconds: 0 },
  xattrs: [],
};

/**
 * A directory of a tree that layers are applied to. Layers are counted from 1. A mark holds the number of the layer that
 * set it last, so that marks need not be cleared when the next layer begins.
 */
export class Directory {
  readonly name: string;
  readonly parent: Directory | undefined;
  #children: Map<string, Directory> | undefined;
  metadata: DirectoryMetadata = undeclared;
  /** The last layer that wrote this directory or something below it. */
  touched = 0;
  /** The last layer that has an entry for it. */
  declared = 0;
  /** The last layer that created it, or that hid the earlier directory of its name. */
  made = 0;
  /** The last layer that hid everything that lower layers have in it. */
  cleared = 0;
  /** The names in it that layer `touched` wrote, without directories. */
  written: Set<string> | undefined;

  constructor(name = "", parent?: Directory) {
    this.name = name;
    this.parent = parent;
  }

  child(name: string): Directory | undefined {
    return this.#children?.get(name);
  }

  /** The directories in this one. */
  children(): Iterable<Directory> {
    return this.#children?.values() ?? [];
  }

  add(name: string): Directory {
    const child = new Directory(name, this);
    this.#children ??= new Map();
    this.#children.set(name, child);
    return child;
  }

  remove(name: string): void {
    this.#children?.delete(name);
    if (this.#children?.size === 0) this.#children = undefined;
  }

  /** The path from the root, one character a byte; the root's is "". */
  get path(): string {
    const names: string[] = [];
    for (let at: Directory | undefined = this; at?.parent; at = at.parent) names.push(at.name);
    return names.reverse().join("/");
  }

  /** Marks this directory, and those above it, as written by a layer. */
  touch(layer: number): void {
    for (let at: Directory | undefined = this; at && at.touched !== layer; at = at.parent) {
      at.touched = layer;
      at.written = undefined;
    }
  }
}
