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

/** Installs the packages if the lock file has changed since the last time. */
export function ensureInstalled() {
  const stamp = "node_modules/.gantry-lock";
  const wanted = createHash("sha256").update(readFileSync("package-lock.json")).digest("hex");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return;
  process.stderr.write("installing packages (the lock file changed)\n");
  run("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], isWindows);
  writeFileSync(stamp, wanted);
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
