// Compares a tree on the disk with entries of archives, or with another tree.
import { lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";

/** What an entry of an archive must become on the disk. */
function describe({ type = "file", mode, mtime, data, linkname }) {
  if (type === "symlink") return `link to ${linkname}`;
  const common = `${type} mode ${mode.toString(8)} time ${mtime}`;
  return type === "file" ? { common, data } : { common };
}

function onDisk(path) {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (!stat) return "missing";
  if (stat.isSymbolicLink()) return `link to ${readlinkSync(path)}`;
  const type = stat.isDirectory() ? "directory" : stat.isFile() ? "file" : "something else";
  const common = `${type} mode ${(stat.mode & 0o7777).toString(8)} time ${Math.floor(stat.mtimeMs / 1000)}`;
  return stat.isFile() ? { common, data: readFileSync(path) } : { common };
}

const differs = (a, b) =>
  typeof a === "string" || typeof b === "string"
    ? a !== b
    : a.common !== b.common || (a.data !== undefined && Buffer.compare(Buffer.from(a.data), b.data) !== 0);

/** Every path below a directory. */
function* pathsBelow(directory, prefix = "") {
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const path = prefix === "" ? entry.name : `${prefix}/${entry.name}`;
    yield path;
    if (entry.isDirectory()) yield* pathsBelow(join(directory, entry.name), path);
  }
}

/**
 * Compares a tree with the entries that it was made of: types, bytes, modes, times, link targets. A path without an
 * entry is a difference too.
 * @returns the number of paths that were compared, and those that differ
 */
export function compareWithEntries(tree, entries) {
  const expected = new Set();
  const different = [];
  for (const entry of entries) {
    expected.add(entry.name);
    if (differs(describe(entry), onDisk(join(tree, entry.name)))) different.push(entry.name);
  }
  for (const path of pathsBelow(tree)) if (!expected.has(path)) different.push(path);
  return { compared: expected.size, different };
}

/** Compares two trees in the same way. */
export function compareTrees(one, other) {
  const paths = new Set([...pathsBelow(one), ...pathsBelow(other)]);
  const different = [...paths].filter((path) => differs(onDisk(join(one, path)), onDisk(join(other, path))));
  return { compared: paths.size, different };
}
