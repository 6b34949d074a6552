// The stairs: a room imports only itself and rooms below it in this list, types included. No files import each other in a
// circle. testing/ may import every room, and no room imports it. Test files are exempt.
import { readdirSync, readFileSync } from "node:fs";
import { join, normalize } from "node:path";
import ts from "typescript";

const rooms = [
  "cli",
  "verbs",
  "puller",
  "store",
  "server",
  "transfer",
  "layer",
  "registry",
  "config",
  "transport",
  "images",
  "content",
  "compression",
  "tar",
  "reference",
  "sys",
  "spec",
  "base",
];

const files = readdirSync("src", { recursive: true }).filter(
  (path) => path.endsWith(".ts") && !path.endsWith(".test.ts"),
);
const faults = [];
/** The files that each file imports. */
const imports = new Map();
for (const file of files) {
  const room = file.split("/")[0];
  const { importedFiles } = ts.preProcessFile(readFileSync(join("src", file), "utf8"));
  const targets = importedFiles.filter(({ fileName }) => fileName.startsWith("."));
  const paths = targets.map(({ fileName }) => normalize(join(file, "..", fileName)));
  imports.set(file, paths);
  if (room === "testing") continue;
  if (!rooms.includes(room)) faults.push(`src/${file}: ${room}/ has no place on the stairs (scripts/stairs.mjs)`);
  for (const path of paths) {
    const target = path.split("/")[0];
    if (target === room) continue;
    if (target === "testing") faults.push(`src/${file}: imports testing/`);
    else if (rooms.indexOf(target) < rooms.indexOf(room))
      faults.push(`src/${file}: ${room}/ may not import ${target}/, which is above it`);
  }
}

/** Files that lead into no circle. */
const done = new Set();
const path = [];
function visit(file) {
  if (done.has(file)) return;
  const at = path.indexOf(file);
  if (at >= 0) {
    faults.push(`a circle: ${[...path.slice(at), file].map((name) => `src/${name}`).join(" -> ")}`);
    return;
  }
  path.push(file);
  for (const next of imports.get(file) ?? []) visit(next);
  path.pop();
  done.add(file);
}
for (const file of files) visit(file);

for (const fault of faults) console.error(fault);
console.log(`stairs: ${files.length} files, ${faults.length} faults`);
process.exitCode = faults.length > 0 ? 1 : 0;
