// What every script needs first: the packages of the lock file and a build of the sources as they are.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("..", import.meta.url)).replace(/\/$/, "");
process.chdir(root);

const isWindows = process.platform === "win32";
const run = (command, args, shell = false) => execFileSync(command, args, { stdio: ["ignore", 2, 2], shell });

/** Installs when the lock file is not the one that was installed last. */
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

/** Builds when a source differs from those of the last build. */
export function ensureBuilt({ force = false } = {}) {
  const hash = createHash("sha256");
  for (const path of [...files("src").sort(), "tsdown.config.ts", "scripts/inline-worker.ts", "package.json"])
    hash.update(path).update(readFileSync(path));
  const wanted = hash.digest("hex");
  const stamp = "dist/.inputs";
  if (!force && existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return;
  // By its interface: the command of tsdown 0.21 warns of every Node 20, which is the oldest that gantry supports.
  run(process.execPath, ["--input-type=module", "-e", 'await (await import("tsdown")).build({ logLevel: "warn" })']);
  writeFileSync(stamp, wanted);
}
