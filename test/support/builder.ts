import {
  appendFileSync,
  chmodSync,
  lchownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  rmdirSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { native } from "../../src/sys/native.ts";
import type { Draw } from "./draw.ts";
import { metadataOf, setMetadata, undeclaredDirectory } from "./metadata.ts";
import { quoted } from "./mounts.ts";
import type { TreeNode } from "./tree.ts";

/** Few names, so that a removed name comes back with another type. One character is one byte. */
const names: readonly string[] = [
  ..."abcdef",
  "lib",
  "two words ",
  "new\nline",
  "back\\slash",
  "'\"$`",
  "-rf",
  "*",
  ".wh",
  "wh.a",
  "a.wh.b",
  "\xff\xfe\x80",
  "\xc3\xa9",
  "long".padEnd(120, "-"),
  "longest".padEnd(255, "-"),
];
const owners = [0, 0, 1, 1000, 65_534, 4_000_000];
const fileModes = [0o644, 0o644, 0o755, 0o600, 0o000, 0o4755, 0o2755, 0o6711, 0o1666];
const directoryModes = [0o755, 0o755, 0o700, 0o000, 0o2775, 0o1777, 0o3750, 0o555];
const devices = [
  { kind: 0o020000, major: 1, minor: 3 },
  { kind: 0o020000, major: 4095, minor: 1_048_575 },
  { kind: 0o020000, major: 0, minor: 1 },
  { kind: 0o060000, major: 8, minor: 17 },
  { kind: 0o060000, major: 259, minor: 65_536 },
] as const;
const DEPTH = 4;
/** cap_net_raw=ep, as the kernel stores it. */
const CAPABILITY = Buffer.from("0100000200200000000000000000000000000000", "hex");

const within = (path: string, directory: string): boolean => path === directory || path.startsWith(`${directory}/`);

export interface BuilderOptions {
  /** The path of a mounted overlay in this process. */
  readonly root: string;
  /** Its path in the shell of `run`. */
  readonly inside: string;
  readonly run: (script: string) => Promise<void>;
  readonly draw: Draw;
  /** The tree before the changes. */
  readonly lower: ReadonlyMap<string, TreeNode>;
  /** Whether its file system stores `user.*` attributes: tmpfs does since Linux 6.6. */
  readonly userAttributes: boolean;
}

/**
 * Changes a tree at random, as the commands of a build do. Paths are latin1; that of the root is "". It makes no names that
 * start with `.wh.`, because no layer can hold them, and no character devices 0:0, which are overlayfs's whiteouts.
 */
export class Builder {
  readonly #options: BuilderOptions;
  readonly #draw: Draw;
  readonly #types = new Map<string, string>();
  /** Directories that were removed and created again. */
  readonly #recreated = new Set<string>();

  constructor(options: BuilderOptions) {
    this.#options = options;
    this.#draw = options.draw;
    for (const [path, node] of options.lower) this.#types.set(path === "." ? "" : path, node.type);
  }

  #at(path: string): Buffer {
    return Buffer.from(`${this.#options.root}/${path}`, "latin1");
  }

  #paths(wanted: (type: string, path: string) => boolean): string[] {
    return [...this.#types].filter(([path, type]) => wanted(type, path)).map(([path]) => path);
  }

  #some(wanted: (type: string, path: string) => boolean): string | undefined {
    const found = this.#paths(wanted);
    return found.length === 0 ? undefined : this.#draw.one(found);
  }

  /** A path for a new entry; an existing entry is removed. `besides` and the directories that it is in are kept. */
  #place(besides?: string): string | undefined {
    const existing = this.#draw.chance(0.35) ? this.#some((_, path) => path !== "") : undefined;
    const parent = this.#some((type, path) => type === "directory" && path.split("/").length < DEPTH)!;
    const name = this.#draw.one(names);
    const path = existing ?? (parent === "" ? name : `${parent}/${name}`);
    if (besides !== undefined && (within(besides, path) || within(path, besides))) return undefined;
    this.#remove(path);
    return path;
  }

  #remove(path: string): void {
    const type = this.#types.get(path);
    if (type === undefined) return;
    if (type === "directory") {
      for (const name of readdirSync(this.#at(path), "latin1")) this.#remove(`${path}/${name}`);
      rmdirSync(this.#at(path));
    } else {
      unlinkSync(this.#at(path));
    }
    this.#types.delete(path);
  }

  async change(): Promise<void> {
    const some = this.#draw.below(100);
    if (some < 14) this.#write();
    else if (some < 25) this.#makeDirectory();
    else if (some < 32) this.#symlink();
    else if (some < 42) this.#hardLink();
    else if (some < 53) this.#removeSome();
    else if (some < 61) this.#recreate();
    else if (some < 66) this.#append();
    else if (some < 86) this.#changeMetadata();
    else if (some < 91) this.#special();
    else if (some < 96) await this.#shell("mv");
    else await this.#shell("cp -a");
  }

  #content(): Buffer {
    return Buffer.alloc(this.#draw.one([0, 1, 40, 511, 512, 513, 3000]), `${this.#draw.below(1e9)} `);
  }

  #write(path = this.#draw.chance(0.4) ? this.#some((type) => type === "file") : this.#place()): void {
    if (path === undefined) return;
    writeFileSync(this.#at(path), this.#content());
    this.#types.set(path, "file");
    if (this.#draw.chance(0.5)) chmodSync(this.#at(path), this.#draw.one(fileModes));
  }

  /** Bytes that do not compress, so many that an image of them is unpacked in workers. */
  writeLarge(bytes: Buffer): void {
    const path = this.#place()!;
    writeFileSync(this.#at(path), bytes);
    this.#types.set(path, "file");
  }

  #append(): void {
    const path = this.#some((type) => type === "file");
    if (path !== undefined) appendFileSync(this.#at(path), this.#content());
  }

  #makeDirectory(path = this.#place()): void {
    if (path === undefined) return;
    mkdirSync(this.#at(path));
    this.#types.set(path, "directory");
    if (this.#draw.chance(0.5)) chmodSync(this.#at(path), this.#draw.one(directoryModes));
    if (this.#draw.chance(0.25)) this.#changeAttribute(this.#at(path), "directory");
    this.#fill(path);
  }

  #fill(directory: string): void {
    for (let count = this.#draw.below(4); count > 0; count -= 1) {
      const path = `${directory}/${this.#draw.one(names)}`;
      this.#remove(path);
      if (this.#draw.chance(0.25) && path.split("/").length <= DEPTH) this.#makeDirectory(path);
      else this.#write(path);
    }
  }

  /** Removes a directory and creates it again, which makes it opaque. */
  #recreate(): void {
    const path = this.#some((type, path) => type === "directory" && path !== "");
    if (path === undefined) return;
    const before = readdirSync(this.#at(path), "latin1");
    const directories = before.filter((name) => this.#types.get(`${path}/${name}`) === "directory");
    this.#remove(path);
    this.#makeDirectory(path);
    this.#recreated.add(path);
    if (before.length === 0 || this.#draw.chance(0.4)) return;
    const some = directories.length > 0 && this.#draw.chance(0.7) ? directories : before;
    const again = `${path}/${this.#draw.one(some)}`;
    this.#remove(again);
    if (some === before && this.#draw.chance(0.5)) this.#write(again);
    else this.#makeDirectory(again);
  }

  #symlink(): void {
    const path = this.#place();
    if (path === undefined) return;
    const directory = this.#some((type) => type === "directory")!;
    const up = "../".repeat(path.split("/").length - 1);
    const target = this.#draw.one([`/${directory}`, `${up}${directory}` || ".", "nowhere/at/all", "..", "/", path]);
    symlinkSync(Buffer.from(target, "latin1"), this.#at(path));
    this.#types.set(path, "symlink");
  }

  #hardLink(): void {
    const source = this.#some((type) => type !== "directory");
    if (source === undefined) return;
    const path = this.#place(source);
    if (path === undefined) return;
    linkSync(this.#at(source), this.#at(path));
    this.#types.set(path, this.#types.get(source)!);
  }

  #removeSome(): void {
    // Removing a large directory at the top would too often remove most of the tree.
    const path = this.#some((type, path) => path !== "" && (type !== "directory" || this.#draw.chance(0.4)));
    if (path !== undefined) this.#remove(path);
  }

  #special(): void {
    const path = this.#place();
    if (path === undefined) return;
    const fifo = this.#draw.chance(0.4);
    const { kind, major, minor } = this.#draw.one(devices);
    const mode = this.#draw.one([0o600, 0o666, 0o000]);
    native().mknod(this.#at(path), (fifo ? 0o010000 : kind) | mode, fifo ? 0 : major, fifo ? 0 : minor);
    this.#types.set(path, fifo ? "fifo" : kind === 0o020000 ? "char" : "block");
  }

  #changeMetadata(): void {
    const path = this.#some(() => true)!;
    const type = this.#types.get(path)!;
    const full = this.#at(path);
    const changeMode = (): void => {
      if (type !== "symlink") chmodSync(full, this.#draw.one(type === "directory" ? directoryModes : fileModes));
    };
    switch (this.#draw.below(4)) {
      case 0:
        return changeMode();
      case 1:
        lchownSync(full, this.#draw.one(owners), this.#draw.one(owners));
        // In this order, because the kernel removes set-user-ID bits and capabilities from a file whose owner changes.
        if (this.#draw.chance(0.5)) changeMode();
        if (this.#draw.chance(0.3)) this.#changeAttribute(full, type);
        return;
      case 2:
        return this.#setTime(path);
      default:
        return this.#changeAttribute(full, type);
    }
  }

  #setTime(path: string): void {
    const seconds = this.#draw.one([this.#draw.below(2 ** 31), -this.#draw.below(2 ** 30), 0, 2 ** 32 + 1]);
    native().lutimens(this.#at(path), BigInt(seconds), this.#draw.one([0, 1, 999_999_999, 120_000_000]));
  }

  #changeAttribute(full: Buffer, type: string): void {
    const system = native();
    const present = system.llistxattr(full).map(String);
    if (present.length > 0 && this.#draw.chance(0.4)) return system.lremovexattr(full, this.#draw.one(present));
    const plain = type === "file" || type === "directory";
    if (type === "file" && this.#draw.chance(0.3)) return system.lsetxattr(full, "security.capability", CAPABILITY);
    // The kernel stores user.* on files and directories only.
    const space = plain && this.#options.userAttributes && this.#draw.chance(0.8) ? "user" : "trusted";
    const value = this.#draw.one(["", "one", "two\n\0=three", "\xff".repeat(200)]);
    system.lsetxattr(full, `${space}.${this.#draw.one(["note", "other note"])}`, Buffer.from(value, "latin1"));
  }

  /** overlayfs does not rename directories of a lower layer (EXDEV), so mv copies and removes, as in any build. */
  async #shell(command: "mv" | "cp -a"): Promise<void> {
    const source = this.#some((_, path) => path !== "");
    if (source === undefined || this.#paths((_, path) => within(path, source)).length > 15) return;
    const path = this.#place(source);
    if (path === undefined) return;
    const word = (at: string): string => quoted(`${this.#options.inside}/${at}`);
    await this.#options.run(`${command} -T -- ${word(source)} ${word(path)}`);
    for (const [at, type] of [...this.#types]) {
      if (!within(at, source)) continue;
      this.#types.set(path + at.slice(source.length), type);
      if (command === "mv") this.#types.delete(at);
    }
  }

  /**
   * Gives changed directories the metadata that they have in the lower tree, or that of a directory that no layer
   * declares, or a fixed time, as reproducible builds do. Only then may a layer leave them out.
   */
  settle(): void {
    for (const path of this.#paths((type) => type === "directory")) {
      const stat = lstatSync(this.#at(path), { bigint: true });
      const before = this.#options.lower.get(path === "" ? "." : path);
      const wasDirectory = before?.type === "directory";
      if (wasDirectory && String(stat.mtimeNs) === before.mtime) continue;
      const choice = this.#draw.below(10);
      const isNew = !wasDirectory || this.#recreated.has(path);
      if (wasDirectory && choice < (isNew ? 2 : 5)) setMetadata(this.#at(path), metadataOf(before));
      else if (choice < 7) setMetadata(this.#at(path), metadataOf(undeclaredDirectory));
      else if (choice < 8) this.#setTime(path);
    }
  }
}
