// npm test [-- --no-setup] [FILTER...]: installs what the tests need, runs them, and always ends with the line
// "N passed, N failed, N skipped".
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ensurePackages } from "./packages.mjs";
import { ensureBuilt, ensureInstalled } from "./setup.mjs";

/** A Node with node:sqlite, which tests use beside the one that they run on. */
const newerNode = "22.23.3";
const args = process.argv.slice(2);

/** Installs a newer Node from npm into the cache of the tests. Users of the package do not get it. */
function ensureNewerNode() {
  const cache = "node_modules/.cache/gantry";
  const found = join(cache, "node_modules/newer-node/package.json");
  if (existsSync(found) && JSON.parse(readFileSync(found, "utf8")).version === newerNode) return;
  if (process.platform !== "linux" || !["x64", "arm64"].includes(process.arch)) return;
  process.stderr.write(`installing Node ${newerNode} from npm for the tests that need it\n`);
  mkdirSync(cache, { recursive: true });
  writeFileSync(join(cache, "package.json"), "{}");
  const spec = `newer-node@npm:node-linux-${process.arch}@${newerNode}`;
  const install = ["install", "--prefix", cache, "--no-save", "--ignore-scripts", "--no-audit", "--no-fund", spec];
  try {
    execFileSync("npm", install, { stdio: ["ignore", 2, 2] });
  } catch (error) {
    process.stderr.write(`could not install it (${error.message}); the tests that need it are skipped\n`);
  }
}

/** Runs vitest and counts results. @returns undefined if there are none */
function runTests() {
  const output = join(mkdtempSync(join(tmpdir(), "gantry-results-")), "results.json");
  const filters = args.filter((arg) => !["--setup", "--no-setup", "--long"].includes(arg));
  const scale = process.env.GANTRY_TEST_SCALE ?? (args.includes("--long") ? "1" : "0.1");
  const run = spawnSync(
    process.execPath,
    [
      "node_modules/vitest/vitest.mjs",
      "run",
      "--reporter=dot",
      "--reporter=json",
      `--outputFile.json=${output}`,
      ...filters,
    ],
    { stdio: ["ignore", "inherit", "inherit"], env: { ...process.env, GANTRY_TEST_SCALE: scale } },
  );
  if (!existsSync(output)) return undefined;
  const { testResults } = JSON.parse(readFileSync(output, "utf8"));
  const all = testResults.flatMap((file) => file.assertionResults);
  const count = (...states) => all.filter((result) => states.includes(result.status)).length;
  for (const { fullName } of all.filter((result) => ["pending", "skipped", "todo"].includes(result.status)))
    process.stdout.write(`skipped: ${fullName}\n`);
  // A test file that could not be loaded has no results; it counts as one failure.
  const broken = testResults.filter(
    (file) => file.status === "failed" && file.assertionResults.every((r) => r.status !== "failed"),
  ).length;
  const failed = count("failed") + broken;
  return {
    passed: count("passed"),
    failed: failed === 0 && (run.status !== 0 || all.length === 0) ? 1 : failed,
    skipped: count("pending", "skipped", "todo"),
  };
}

// An interrupt ends vitest; this process then prints its line.
process.on("SIGINT", () => {});
let result;
try {
  await ensurePackages(args);
  ensureInstalled();
  if (!args.includes("--no-setup")) ensureNewerNode();
  ensureBuilt();
  result = runTests();
} catch (error) {
  process.stderr.write(`${error.stack ?? error}\n`);
}
const { passed, failed, skipped } = result ?? { passed: 0, failed: 1, skipped: 0 };
process.stdout.write(`${passed} passed, ${failed} failed, ${skipped} skipped\n`);
process.exitCode = failed === 0 ? 0 : 1;
