import { describe, expect, test } from "vitest";
import type { PathNode } from "../sys/resolve.ts";
import { encodeTar, type TarEntry, TarReader } from "../tar/index.ts";
import { TreeApplier } from "./apply.ts";
import { type DirectoryMetadata, undeclared } from "./directory.ts";
import type { LayerTarget } from "./target.ts";

/** The entries of lower layers: a directory with this mode, a link to this path, or a file. */
type Lower = Readonly<Record<string, number | string | true>>;

const taken = (): Error => Object.assign(new Error("EEXIST"), { code: "EEXIST" });

/**
 * A stacked target in memory, as for overlayfs. `layer` holds the entry of the layer at each path: the mode of a directory
 * (with `opaque`, if it hides the lower one), "whiteout", or another type.
 */
class StackedTarget implements LayerTarget {
  readonly lowerLayers = 1;
  readonly warnings = [];
  readonly layer = new Map<string, string>();
  readonly #opaque = new Set<string>();
  readonly #lower: Lower;

  constructor(lower: Lower) {
    this.#lower = lower;
  }

  /** The entry of lower layers at a path, unless the markers of this layer hide it. */
  #shown(path: string): number | string | true | undefined {
    if (this.layer.has(path) && this.layer.get(path) !== "directory") return undefined;
    for (let at = path; at !== ""; ) {
      at = at.slice(0, Math.max(0, at.lastIndexOf("/")));
      if (this.#opaque.has(at) || (this.layer.get(at) ?? "directory") !== "directory") return undefined;
    }
    return this.#lower[path];
  }

  lookUp(path: string): PathNode {
    const own = this.layer.get(path);
    if (own) return { kind: own === "whiteout" ? "missing" : "other" };
    const below = this.#shown(path);
    if (typeof below === "string") return { kind: "symlink", target: below };
    return { kind: below === undefined ? "missing" : below === true ? "other" : "directory" };
  }

  list(path: string): string[] {
    const prefix = path === "" ? "" : `${path}/`;
    const inside = [...this.layer.keys()].filter((name) => name.startsWith(prefix));
    return inside.map((name) => name.slice(prefix.length)).filter((name) => !name.includes("/"));
  }

  #create(path: string, type: string): void {
    if (this.layer.has(path)) throw taken();
    this.layer.set(path, type);
  }

  makeDirectory(path: string): DirectoryMetadata | undefined {
    const below = this.#shown(path);
    this.#create(path, "directory");
    return typeof below === "number" ? { ...undeclared, mode: below } : undefined;
  }

  createFile = (path: string): void => this.#create(path, "file");
  createSymlink = (path: string): void => this.#create(path, "symlink");
  createLink = (_: string, path: string): void => this.#create(path, "link");
  createSpecial = (): boolean => false;
  write(): void {}
  endFile(): void {}
  close(): void {}
  remove(path: string): void {
    this.layer.delete(path);
  }
  removeDirectory(path: string): void {
    this.layer.delete(path);
    this.#opaque.delete(path);
  }
  hide(path: string): void {
    if (this.#shown(path) !== undefined) this.layer.set(path, "whiteout");
  }
  markOpaque(path: string): void {
    this.#opaque.add(path);
  }
  replaceXattrs = (): string[] => [];
  finishDirectory(path: string, { mode }: DirectoryMetadata): void {
    this.layer.set(path, `${mode.toString(8)}${this.#opaque.has(path) ? " opaque" : ""}`);
  }
}

function stacked(lower: Lower, entries: readonly TarEntry[]): Record<string, string> {
  const target = new StackedTarget(lower);
  const applier = new TreeApplier(target);
  const reader = new TarReader(applier);
  applier.beginLayer();
  reader.push(encodeTar(entries));
  reader.finish();
  for (const _ of applier.finish());
  return Object.fromEntries([...target.layer].sort());
}

const names = (...paths: string[]): TarEntry[] => paths.map((name) => ({ name }));

describe("a stacked target", () => {
  const lower: Lower = { d: 0o700, "d/old": true, "d/sub": 0o711, "d/sub/old": true, f: true, link: "d/sub" };

  test("receives the whiteouts of the first layer that is applied", () => {
    expect(stacked(lower, names(".wh.f", "d/.wh.old"))).toEqual({ f: "whiteout", d: "700", "d/old": "whiteout" });
    expect(stacked(lower, names("absent/.wh.x", "f/.wh.x", ".wh.absent"))).toEqual({});
    for (const order of [
      ["d/.wh.old", ".wh.d"],
      [".wh.d", "d/.wh.old"],
      [".wh.d", "d/.wh..wh..opq"],
    ])
      expect([order, stacked(lower, names(...order))]).toEqual([order, { d: "whiteout" }]);
  });

  test("gives directories without an entry the metadata of the lower ones, unless those are hidden", () => {
    expect(stacked(lower, names("d/sub/new", "other/new"))).toEqual({
      d: "700",
      "d/sub": "711",
      "d/sub/new": "file",
      other: "755",
      "other/new": "file",
    });
    const content = names("d/new", "d/sub/new");
    const hidden = stacked(lower, [...names(".wh.d"), ...content]);
    expect(hidden).toMatchObject({ d: "755 opaque", "d/new": "file", "d/sub/new": "file" });
    expect(hidden["d/sub"]).toMatch(/^755/);
    expect(stacked(lower, [...content, ...names(".wh.d")])).toMatchObject({ d: "755 opaque", "d/sub": "755 opaque" });
    const declared: TarEntry = { name: "d", type: "directory", mode: 0o750 };
    expect(stacked(lower, [declared, ...content, ...names(".wh.d")])).toMatchObject({ d: "750 opaque" });
    expect(stacked(lower, [...content, ...names("d/.wh..wh..opq")])).toMatchObject({ d: "700 opaque" });
    expect(stacked(lower, names("d/.wh..wh..opq"))).toEqual({ d: "700 opaque" });
  });

  test("resolves paths through links of lower layers", () => {
    expect(stacked(lower, names("link/new"))).toEqual({ d: "700", "d/sub": "711", "d/sub/new": "file" });
  });

  test("keeps nothing of a lower directory that this layer replaced and created again", () => {
    const again: TarEntry[] = [...names("d"), { name: "d", type: "directory", mode: 0o750 }];
    expect(stacked(lower, again)).toEqual({ d: "750 opaque" });
    expect(stacked(lower, [{ name: "d", type: "char" }])).toEqual({ d: "whiteout" });
  });
});
