import { readFileSync } from "node:fs";
import type { EntryType, TarEntry } from "../../src/tar/index.ts";
import type { Draw } from "./draw.ts";
import { deviceOf, type Metadata, metadataOf, sameMetadata, undeclaredDirectory } from "./metadata.ts";
import type { TreeNode } from "./tree.ts";

/** An entry to be put in order, and the items that must come before it (`after`). */
interface Item {
  readonly path: string;
  readonly kind: "whiteout" | "opaque" | "content";
  entry: TarEntry;
  readonly after: Set<Item>;
}

/**
 * What happens to the lower tree in a directory: it stays visible (merged), is hidden name by name (replaced), or is
 * hidden by a whiteout or an opaque mark of this or a higher directory.
 */
type Lower = "merged" | "replaced" | "hidden";

/** How often layers held each case of the test; the test requires that each occurs. */
export type Figures = Record<string, number>;

const keyOf = (path: string): string => (path === "" ? "." : path);
const join = (directory: string, name: string): string => (directory === "" ? name : `${directory}/${name}`);
const isWhiteout = (node: TreeNode | undefined): boolean => node?.type === "char" && node.device === "0";

function sameFile(one: TreeNode, other: TreeNode | undefined): boolean {
  const facts = (node: TreeNode): string => [node.type, node.content, node.target, node.device].join();
  return other !== undefined && facts(one) === facts(other) && sameMetadata(one, other);
}

/**
 * The layer that a builder makes of the upper directory of an overlay: its entries in a legal order. What the image
 * specification leaves open is drawn at random: how removed names are hidden, which directories have an entry that they
 * do not need, and the order. `upper` is the tree of the upper directory, `lower` the merged tree of the layers below.
 *
 * Only two kinds of entries must wait for others: a hard link comes after its target; and if a lower layer has a symbolic
 * link in the place of a directory, the content of the directory comes after the entry that replaces the link, because
 * programs that apply archives in order would follow the link.
 */
export class UpperLayer {
  readonly #root: string;
  readonly #upper: ReadonlyMap<string, TreeNode>;
  readonly #lower: ReadonlyMap<string, TreeNode>;
  readonly #draw: Draw;
  readonly #figures: Figures;
  readonly #upperNames: ReadonlyMap<string, readonly string[]>;
  readonly #lowerNames: ReadonlyMap<string, readonly string[]>;
  /** Items of one inode, and whether the lower tree has the same file at that path, without other links. */
  readonly #links = new Map<string, { item: Item; unchanged: boolean }[]>();
  readonly #prefix: string;
  /** Targets of hard links that need no entry, because the lower tree has them. */
  readonly #omitted = new Set<Item>();
  /** Undeclared directories whose lower version is gone. */
  readonly #renewed = new Set<string>();

  constructor(options: {
    readonly root: string;
    readonly upper: ReadonlyMap<string, TreeNode>;
    readonly lower: ReadonlyMap<string, TreeNode>;
    readonly draw: Draw;
    readonly figures: Figures;
  }) {
    this.#root = options.root;
    this.#upper = options.upper;
    this.#lower = options.lower;
    this.#draw = options.draw;
    this.#figures = options.figures;
    this.#upperNames = namesIn(options.upper);
    this.#lowerNames = namesIn(options.lower);
    this.#prefix = options.draw.one(["", "./"]);
  }

  entries(): TarEntry[] {
    const items = this.#directory("", "merged");
    for (const group of this.#links.values()) this.#hardLinks(group);
    const ordered = this.#order(items.filter((item) => !this.#omitted.has(item)));
    this.#countOrders(ordered);
    return ordered.map((item) => item.entry);
  }

  #count(what: string): void {
    this.#figures[what] = (this.#figures[what] ?? 0) + 1;
  }

  #item(kind: Item["kind"], path: string, entry: Omit<TarEntry, "name">): Item {
    const slash = entry.type === "directory" && this.#draw.chance(0.7) ? "/" : "";
    const name = path === "" ? "./" : `${this.#prefix}${path}${slash}`;
    return { path, kind, entry: { ...entry, name: Buffer.from(name, "latin1") }, after: new Set() };
  }

  #whiteout(path: string): Item {
    const at = path.lastIndexOf("/") + 1;
    const name = `${this.#prefix}${path.slice(0, at)}.wh.${path.slice(at)}`;
    return { ...this.#item("whiteout", path, {}), entry: { name: Buffer.from(name, "latin1"), mode: 0 } };
  }

  #opaque(path: string): Item {
    return { ...this.#item("opaque", join(path, ".wh..wh..opq"), {}), path };
  }

  /** The items of an upper directory and everything below it. `above` is how its parent treats the lower tree. */
  #directory(path: string, above: Lower): Item[] {
    const node = this.#upper.get(keyOf(path))!;
    const below = this.#lower.get(keyOf(path));
    const opaque = /^trusted\.overlay\.opaque=0x79$/m.test(node.xattrs ?? "");
    const items: Item[] = [];
    /** Its metadata if no entry declares it: that of the lower tree, or of a new directory. */
    let base: Metadata = undeclaredDirectory;
    let inside: Lower = "hidden";
    if (below && below.type !== "directory") {
      this.#count("a directory where another type was");
      if (this.#draw.chance(0.3)) items.push(this.#whiteout(path));
      else if (this.#draw.chance(0.2) && below.type !== "symlink") items.push(this.#opaque(path));
    } else if (below && above === "merged" && !opaque) {
      [base, inside] = [below, "merged"];
    } else if (below && above !== "hidden") {
      const mayBeNew = sameMetadata(node, undeclaredDirectory) ? "whiteout" : "each";
      const way = this.#draw.one(["mark", "whiteout", "each", mayBeNew, mayBeNew] as const);
      this.#count(`a replaced directory by ${way}`);
      if (way === "whiteout") items.push(this.#whiteout(path));
      else base = below;
      if (way === "mark" || (way === "whiteout" && this.#draw.chance(0.2))) items.push(this.#opaque(path));
      if (way === "each") inside = "replaced";
      if (way === "each" || this.#draw.chance(0.2)) {
        const kept = new Set(this.#upperNames.get(path));
        const gone = (this.#lowerNames.get(path) ?? []).filter((name) => !kept.has(name));
        items.push(...gone.flatMap((name) => this.#gone(join(path, name))));
      }
    }
    for (const name of this.#upperNames.get(path) ?? []) items.push(...this.#child(join(path, name), inside));
    const declared = this.#declaration(path, node, base, items);
    if (below?.type === "symlink") this.#guard(path, items, declared);
    if (declared) items.push(declared);
    return items;
  }

  /** The entry of a directory, if it is needed. Whiteouts do not create the directory that they are in. */
  #declaration(path: string, node: TreeNode, base: Metadata, items: readonly Item[]): Item | undefined {
    const fromBelow = base !== undeclaredDirectory;
    const there = fromBelow || path === "" || items.some((item) => item.kind === "content");
    if (there && sameMetadata(node, base) && this.#draw.chance(0.8)) {
      this.#count(`undeclared: ${fromBelow ? "as below" : "new"}`);
      if (!fromBelow && this.#lower.get(keyOf(path))?.type === "directory") this.#renewed.add(path);
      return undefined;
    }
    return this.#item("content", path, { ...metadataOf(node), type: "directory" });
  }

  /** For a directory that replaces a symbolic link of a lower layer: what replaces it comes before its content. */
  #guard(path: string, items: Item[], declared: Item | undefined): void {
    let guard = declared;
    if (!guard || this.#draw.chance(0.5)) {
      guard = items.find((item) => item.kind === "whiteout" && item.path === path) ?? this.#whiteout(path);
      if (!items.includes(guard)) items.push(guard);
    }
    for (const item of items) if (item.path !== path || item.kind === "opaque") item.after.add(guard);
  }

  #child(path: string, inside: Lower): Item[] {
    const node = this.#upper.get(path)!;
    if (isWhiteout(node)) return this.#gone(path);
    if (node.type === "directory") return this.#directory(path, inside);
    const below = this.#lower.get(path);
    const item = this.#item("content", path, {
      ...metadataOf(node),
      ...deviceOf(node),
      type: node.type as EntryType,
      data: node.type === "file" ? readFileSync(Buffer.from(`${this.#root}/${path}`, "latin1")) : undefined,
      linkname: Buffer.from(node.target ?? "", "latin1"),
    });
    const unchanged = inside === "merged" && sameFile(node, below) && below!.links === undefined;
    if (node.links) {
      const group = this.#links.get(node.links) ?? [];
      this.#links.set(node.links, [...group, { item, unchanged }]);
    }
    const items = [item];
    if (!below || unchanged) return items;
    if (below.type !== node.type) this.#count(`a ${node.type} where a ${below.type} was`);
    if (this.#draw.chance(0.15)) items.push(this.#whiteout(path));
    // Whiteouts below a new symbolic link would be resolved through the link.
    if (node.type !== "symlink") items.push(...this.#goneBelow(path));
    return items;
  }

  /** The whiteout of a removed name. Some builders also write whiteouts for the names in it. */
  #gone(path: string): Item[] {
    return [this.#whiteout(path), ...this.#goneBelow(path)];
  }

  #goneBelow(path: string): Item[] {
    if (this.#lower.get(path)?.type !== "directory" || !this.#draw.chance(0.25)) return [];
    const names = this.#lowerNames.get(path) ?? [];
    if (names.length > 0) this.#count("a whiteout below what is gone");
    return names.flatMap((name) => this.#gone(join(path, name)));
  }

  /** One item stays a file, or is left out if the lower tree has it; the others become links to an earlier one. */
  #hardLinks(group: readonly { item: Item; unchanged: boolean }[]): void {
    const below = this.#draw.chance(0.8) ? group.find(({ unchanged }) => unchanged) : undefined;
    const first = below ?? this.#draw.one(group);
    if (below) this.#omitted.add(below.item);
    const before = [first.item];
    for (const { item } of this.#draw.shuffled(group)) {
      if (item === first.item) continue;
      const target = this.#draw.one(before);
      const { data: _, ...entry } = item.entry;
      const prefix = this.#draw.one(["", "", "./", "/"]);
      item.entry = { ...entry, type: "hardlink", linkname: Buffer.from(prefix + target.path, "latin1") };
      if (!this.#omitted.has(target)) item.after.add(target);
      before.push(item);
      this.#count(this.#omitted.has(target) ? "a hard link to a lower file" : "a hard link within the layer");
    }
  }

  /** Orders the items in a style that is drawn for the layer, but puts `after` first. */
  #order(items: readonly Item[]): Item[] {
    const style = this.#draw.one([
      "shuffled",
      "whiteouts last",
      "whiteouts first",
      "as walked",
      "sorted",
      "whiteouts last",
    ]);
    const drawn = style === "as walked" ? [...items] : this.#draw.shuffled(items);
    const isContent = (item: Item): number => Number(item.kind === "content");
    if (style === "whiteouts first") drawn.sort((a, b) => isContent(a) - isContent(b));
    if (style === "whiteouts last") drawn.sort((a, b) => isContent(b) - isContent(a));
    if (style === "sorted") drawn.sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
    const ordered = new Set<Item>();
    const put = (item: Item): void => {
      if (ordered.has(item)) return;
      for (const before of item.after) put(before);
      ordered.add(item);
    };
    for (const item of drawn) put(item);
    return [...ordered];
  }

  /** Counts, for each whiteout beside content of its own layer, whether it comes before or after that content. */
  #countOrders(ordered: readonly Item[]): void {
    for (const [at, item] of ordered.entries()) {
      if (item.kind === "content") continue;
      const within = (other: Item): boolean =>
        other.kind === "content" &&
        (other.path.startsWith(`${item.path}/`) || (item.kind === "whiteout" && other.path === item.path));
      const [before, after] = [ordered.slice(0, at).some(within), ordered.slice(at + 1).some(within)];
      const name = item.kind === "whiteout" ? "a whiteout" : "an opaque mark";
      const renewed = item.kind === "whiteout" && this.#renewed.has(item.path);
      for (const order of [before && "after", after && "before"]) {
        if (!order) continue;
        this.#count(`${name} ${order} content`);
        if (renewed) this.#count(`a whiteout ${order} content of a new undeclared directory`);
      }
    }
  }
}

function namesIn(tree: ReadonlyMap<string, TreeNode>): Map<string, string[]> {
  const names = new Map<string, string[]>();
  for (const path of tree.keys()) {
    if (path === ".") continue;
    const at = path.lastIndexOf("/");
    const directory = path.slice(0, Math.max(0, at));
    names.set(directory, [...(names.get(directory) ?? []), path.slice(at + 1)]);
  }
  return names;
}
