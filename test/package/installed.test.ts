import { execFile, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { installPacked } from "../../scripts/packed.mjs";
import { pushImage, randomImage, startTestRegistry } from "../../src/testing/index.ts";

const project = mkdtempSync(join(tmpdir(), "gantry-installed-"));
beforeAll(() => installPacked(project, { optional: false }));
afterAll(() => rmSync(project, { recursive: true, force: true }));

const run = (...args: string[]) => spawnSync(process.execPath, args, { cwd: project, encoding: "utf8" });

test("every public room of the packed package is there, without optional packages", () => {
  const { exports } = JSON.parse(readFileSync(join(project, "node_modules/gantry/package.json"), "utf8")) as {
    exports: Record<string, unknown>;
  };
  const rooms = Object.keys(exports)
    .filter((name) => !name.endsWith(".json"))
    .map((name) => `gantry${name.slice(1)}`);
  const script = `for (const room of ${JSON.stringify(rooms)}) if (Object.keys(await import(room)).length < 2) throw room;`;
  expect(run("--input-type=module", "-e", script)).toMatchObject({ status: 0, stderr: "" });
});

test("so is its command, which says what is missing", async () => {
  const main = "node_modules/gantry/dist/cli/main.js";
  expect(run(main, "--version")).toMatchObject({ status: 0, stdout: expect.stringMatching(/^gantry \d/), stderr: "" });
  await using server = await startTestRegistry();
  const { digest } = await pushImage(server.registry, "app", randomImage(), "v1");
  const pull = [main, "pull", "--store", join(project, "store"), `${server.host}/app:v1`];
  const pulled = promisify(execFile)(process.execPath, pull, { cwd: project });
  if (process.versions.node.startsWith("20.")) await expect(pulled).rejects.toThrow("the optional package libsql");
  else expect((await pulled).stdout).toContain(digest);
});
