// What each command loads: finding, reading and compiling files is most of what a short command takes. Bytes are counted,
// and no time: they are the same on every machine.
// GANTRY_UPDATE_BUDGET=1 npx vitest run test/package/budget writes down what is loaded now.
import { execFile } from "node:child_process";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { pushImage, randomImage, startTestRegistry } from "../../src/testing/index.ts";
import { main } from "../support/peers.ts";
import { temporary } from "../support/temporary.ts";

/** Bytes by file; chunks of the build without the hash in their names. */
type Loaded = Readonly<Record<string, number>>;

const root = fileURLToPath(new URL("../..", import.meta.url));
const budgetFile = fileURLToPath(new URL("budget.json", import.meta.url));
const SLACK = 1.1;
/** Chunks of a kilobyte come and go. */
const FILE_SLACK = 3;

async function loadedBy(args: readonly string[]): Promise<Loaded> {
  const coverage = await temporary();
  const env = { ...process.env, NODE_V8_COVERAGE: coverage };
  await promisify(execFile)(process.execPath, [main, ...args], { env });
  const urls = readdirSync(coverage).flatMap((file) => {
    const { result } = JSON.parse(readFileSync(join(coverage, file), "utf8")) as { result: { url: string }[] };
    return result.map(({ url }) => url).filter((url) => url.startsWith("file:"));
  });
  const loaded: Record<string, number> = {};
  for (const file of [...new Set(urls)].map((url) => fileURLToPath(url)).sort()) {
    const path = relative(root, file).split(sep).join("/");
    const name = path.replace(/^(dist\/[^/]+)-[\w-]{8}\.js$/, "$1.js");
    loaded[name] = (loaded[name] ?? 0) + statSync(file).size;
  }
  return loaded;
}

const sum = (loaded: Loaded): number => Object.values(loaded).reduce((total, bytes) => total + bytes, 0);

/** What is wrong with a command, with the files that grew; undefined where it keeps to its budget. */
function excess(command: string, loaded: Loaded, budget: Loaded): string | undefined {
  const count = (files: Loaded): string => `${Object.keys(files).length} files with ${sum(files)} bytes`;
  const [files, allowed] = [loaded, budget].map((it) => Object.keys(it).length) as [number, number];
  if (files <= allowed * SLACK + FILE_SLACK && sum(loaded) <= sum(budget) * SLACK) return undefined;
  const grown = Object.entries(loaded)
    .map(([file, bytes]) => ({ file, by: bytes - (budget[file] ?? 0), new: budget[file] === undefined }))
    .filter(({ by }) => by > 0)
    .sort((a, b) => b.by - a.by)
    .map((item) => `  ${item.file} ${item.new ? "is new, with" : "grew by"} ${item.by} bytes`);
  return [
    `gantry ${command} loads ${count(loaded)}; its budget is ${count(budget)}, and a tenth more:`,
    ...grown,
    "Import late what only some calls need, or write the new budget down (see the top of this file).",
  ].join("\n");
}

test("no command loads more than a tenth above its budget", async () => {
  const work = await temporary();
  await using server = await startTestRegistry();
  await pushImage(server.registry, "app", randomImage(), "v1");
  const image = `${server.host}/app:v1`;
  const store = ["--store", join(work, "store")];
  const layout = `oci:${join(work, "layout")}:v1`;
  // In this order: the later ones need what the earlier ones made.
  const commands: Readonly<Record<string, readonly string[]>> = {
    "--version": ["--version"],
    "--help": ["--help"],
    digest: ["digest", image],
    ls: ["ls", `${server.host}/app`],
    inspect: ["inspect", image],
    explain: ["explain", image],
    cp: ["cp", image, layout],
    "unpack oci:": ["unpack", layout, join(work, "rootfs")],
    pull: ["pull", ...store, image],
    "images ls": ["images", "ls", ...store],
    "images gc": ["images", "gc", ...store],
  };
  const loaded: Record<string, Loaded> = {};
  for (const [command, args] of Object.entries(commands)) loaded[command] = await loadedBy(args);
  if (process.env["GANTRY_UPDATE_BUDGET"]) writeFileSync(budgetFile, `${JSON.stringify(loaded, null, 2)}\n`);
  const budgets = JSON.parse(readFileSync(budgetFile, "utf8")) as Record<string, Loaded>;
  const faults = Object.entries(loaded).map(([command, files]) => excess(command, files, budgets[command] ?? {}));
  expect(faults.filter((fault) => fault !== undefined).join("\n\n")).toBe("");
});
