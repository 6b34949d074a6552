// npm run hostile: one test for each attack that this project defends against, by its id. Fails on a missing id, a
// second test for one id, and a test that did not pass.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ensureBuilt, ensureInstalled } from "./setup.mjs";

const ids = [1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 13, 14, 15]
  .map((number) => `M${number}`)
  .concat(Array.from({ length: 23 }, (_, at) => `T${at + 1}`).filter((id) => id !== "T15"))
  .concat(Array.from({ length: 14 }, (_, at) => `N${at + 1}`))
  .concat("S2");

ensureInstalled();
ensureBuilt();
const output = join(mkdtempSync(join(tmpdir(), "gantry-hostile-")), "results.json");
spawnSync(
  process.execPath,
  ["node_modules/vitest/vitest.mjs", "run", "hostile", "--reporter=json", `--outputFile=${output}`],
  {
    stdio: ["ignore", "ignore", "inherit"],
  },
);
const results = JSON.parse(readFileSync(output, "utf8")).testResults.flatMap((file) => file.assertionResults);
let faults = 0;
for (const id of ids) {
  const found = results.filter(({ title }) => title.startsWith(`${id} `));
  const result = found.length === 0 ? "MISSING" : found.length > 1 ? "TWICE" : found[0].status;
  if (result !== "passed") faults += 1;
  console.log(`${id.padEnd(4)}${result.padEnd(9)}${found[0]?.title.slice(id.length + 1) ?? ""}`);
}
console.log(`${ids.length - faults} passed, ${faults} failed, 0 skipped`);
process.exitCode = faults > 0 ? 1 : 0;
