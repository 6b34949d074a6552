import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { closeSync, lstatSync, openSync, readdirSync, readlinkSync, readSync } from "node:fs";

/** All facts about one path. Attributes that do not apply to its type are absent. */
export interface TreeNode {
  readonly type: string;
  readonly mode: string;
  readonly owner: string;
  readonly mtime: string;
  readonly size?: string;
  readonly content?: string;
  readonly target?: string;
  readonly device?: string;
  /** The first path, by name, of a group of hard links to one file. */
  readonly links?: string | undefined;
  readonly xattrs?: string;
}

const types: ReadonlyMap<number, string> = new Map([
  [0o100000, "file"],
  [0o040000, "directory"],
  [0o120000, "symlink"],
  [0o020000, "char"],
  [0o060000, "block"],
  [0o010000, "fifo"],
]);

/** Reads a whole tree with system calls, and its extended attributes with getfattr. Paths are latin1. */
export function readTree(root: string): Map<string, TreeNode> {
  const tree = new Map<string, TreeNode>();
  const xattrs = readXattrs(root);
  const inodes = new Map<string, string[]>();
  const visit = (path: string): void => {
    const full = Buffer.concat([Buffer.from(`${root}/`), Buffer.from(path, "latin1")]);
    const stat = lstatSync(full, { bigint: true });
    const type = types.get(Number(stat.mode) & 0o170000) ?? "unknown";
    const key = path === "" ? "." : path;
    if (type !== "directory" && stat.nlink > 1n) {
      const inode = String(stat.ino);
      inodes.set(inode, [...(inodes.get(inode) ?? []), key]);
    }
    const found = xattrs.get(key);
    tree.set(key, {
      type,
      mode: (Number(stat.mode) & 0o7777).toString(8),
      owner: `${stat.uid}:${stat.gid}`,
      mtime: String(stat.mtimeNs),
      ...(type === "file" && { size: String(stat.size), content: hash(full) }),
      ...(type === "symlink" && { target: readlinkSync(full, "buffer").toString("latin1") }),
      ...((type === "char" || type === "block") && { device: String(stat.rdev) }),
      ...(found && { xattrs: found }),
    });
    if (type !== "directory") return;
    for (const name of readdirSync(full, "buffer"))
      visit(path === "" ? name.toString("latin1") : `${path}/${name.toString("latin1")}`);
  };
  visit("");
  for (const paths of inodes.values()) {
    const links = [...paths].sort()[0]!;
    for (const path of paths) tree.set(path, { ...tree.get(path)!, links: `${links} x${paths.length}` });
  }
  return tree;
}

const buffer: Buffer = Buffer.allocUnsafe(1 << 20);

function hash(path: Buffer): string {
  const fd = openSync(path, "r");
  const digest = createHash("sha256");
  for (let count = readSync(fd, buffer); count > 0; count = readSync(fd, buffer))
    digest.update(buffer.subarray(0, count));
  closeSync(fd);
  return digest.digest("hex");
}

/** Parses the dump of getfattr into the lines of each path. Bytes outside ASCII are octal escapes in it. */
function readXattrs(root: string): Map<string, string> {
  const dump = execFileSync(
    "getfattr",
    ["--no-dereference", "--recursive", "--dump", "--match=-", "--encoding=hex", "."],
    {
      cwd: root,
      encoding: "latin1",
      maxBuffer: 1 << 28,
      stdio: ["ignore", "pipe", "ignore"],
    },
  );
  const found = new Map<string, string>();
  for (const block of dump.split("\n\n")) {
    const [head, ...lines] = block.trim().split("\n");
    if (!head?.startsWith("# file: ")) continue;
    const path = head
      .slice(8)
      .replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
    found.set(path, lines.sort().join("\n"));
  }
  return found;
}

/** One difference between two trees. */
export interface Difference {
  readonly path: string;
  readonly attribute: string;
  readonly ours: string | undefined;
  readonly theirs: string | undefined;
}

export function compareTrees(ours: ReadonlyMap<string, TreeNode>, theirs: ReadonlyMap<string, TreeNode>): Difference[] {
  const differences: Difference[] = [];
  for (const path of new Set([...ours.keys(), ...theirs.keys()])) {
    const [a, b] = [ours.get(path), theirs.get(path)];
    if (!a || !b) {
      differences.push({ path, attribute: "presence", ours: a?.type, theirs: b?.type });
      continue;
    }
    for (const attribute of new Set([...Object.keys(a), ...Object.keys(b)]) as Set<keyof TreeNode>) {
      if (a[attribute] !== b[attribute])
        differences.push({ path, attribute, ours: a[attribute], theirs: b[attribute] });
    }
  }
  return differences;
}
