// What every script needs first: the packages of the lock file, and a build of the present sources.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("..", import.meta.url)).replace(/\/$/, "");
process.chdir(root);

const isWindows = process.platform === "win32";
const run = (command, args, shell = false) => execFileSync(command, args, { stdio: ["ignore", 2, 2], shell });

/** The packages of a lock file, by where they are installed; empty where there is no such file. */
function lockedPackages(path) {
  return existsSync(path) ? JSON.parse(readFileSync(path, "utf8")).packages : {};
}

/** Whether npm has installed what the lock file lists. Packages for other systems are optional and may be missing. */
function isInstalled() {
  const installed = lockedPackages("node_modules/.package-lock.json");
  return Object.entries(lockedPackages("package-lock.json")).every(
    ([path, { integrity, optional }]) =>
      path === "" || installed[path]?.integrity === integrity || (optional && !installed[path]),
  );
}

export function ensureInstalled() {
  if (isInstalled()) return;
  process.stderr.write("installing the packages of package-lock.json\n");
  run("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], isWindows);
}

function files(directory) {
  return readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) return files(path);
    return /\.test\.ts$/.test(entry.name) ? [] : [path];
  });
}

/** Builds if a source has changed since the last build. */
export function ensureBuilt({ force = false } = {}) {
  const hash = createHash("sha256");
  for (const path of [...files("src").sort(), "tsdown.config.ts", "scripts/inline-worker.ts", "package.json"])
    hash.update(path).update(readFileSync(path));
  const wanted = hash.digest("hex");
  const stamp = "dist/.inputs";
  if (!force && existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return;
  // Its function is called because its command, in version 0.21, prints a warning on Node 20.
  run(process.execPath, ["--input-type=module", "-e", 'await (await import("tsdown")).build({ logLevel: "warn" })']);
  writeFileSync(stamp, wanted);
}
