// Packs the package as npm publishes it, and installs it into a directory with its dependencies, without a network.
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { root } from "./setup.mjs";

/** @returns the path of the tarball, which is written into the directory */
export function pack(directory) {
  const args = ["pack", "--silent", "--ignore-scripts", "--pack-destination", directory];
  const options = { cwd: root, encoding: "utf8", shell: process.platform === "win32" };
  return join(directory, execFileSync("npm", args, options).trim());
}

/**
 * Installs as `npm install` of the tarball does, with copies of the packages of the lock file.
 * @param directory gets `node_modules`
 * @param options `optional: false` installs as `npm install --omit=optional` does
 */
export function installPacked(directory, { optional = true } = {}) {
  const work = mkdtempSync(join(tmpdir(), "gantry-pack-"));
  try {
    execFileSync("tar", ["-xzf", pack(work), "-C", work]);
    mkdirSync(join(directory, "node_modules"), { recursive: true });
    cpSync(join(work, "package"), join(directory, "node_modules/gantry"), { recursive: true });
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  const { packages } = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8"));
  for (const [path, entry] of Object.entries(packages)) {
    if (path === "" || entry.dev || entry.devOptional || (entry.optional && !optional)) continue;
    mkdirSync(dirname(join(directory, path)), { recursive: true });
    // The binaries of other systems are not installed.
    if (!isInstalled(path)) continue;
    cpSync(join(root, path), join(directory, path), { recursive: true });
  }
}

function isInstalled(path) {
  try {
    readFileSync(join(root, path, "package.json"));
    return true;
  } catch {
    return false;
  }
}
