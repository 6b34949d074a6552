// Data goes down the stairs: a room imports only rooms below it, or itself. testing/ may import every room and no
// room imports it. Test files are exempt.
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
  "runtime",
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
for (const file of files) {
  const room = file.split("/")[0];
  if (room === "testing") continue;
  if (!rooms.includes(room)) faults.push(`src/${file}: ${room}/ has no place on the stairs (scripts/stairs.mjs)`);
  for (const { fileName } of ts.preProcessFile(readFileSync(join("src", file), "utf8")).importedFiles) {
    if (!fileName.startsWith(".")) continue;
    const target = normalize(join(file, "..", fileName)).split("/")[0];
    if (target === room) continue;
    if (target === "testing") faults.push(`src/${file}: imports testing/`);
    else if (rooms.indexOf(target) < rooms.indexOf(room))
      faults.push(`src/${file}: ${room}/ may not import ${target}/, which is above it`);
  }
}
for (const fault of faults) console.error(fault);
console.log(`stairs: ${files.length} files, ${faults.length} faults`);
process.exitCode = faults.length > 0 ? 1 : 0;
