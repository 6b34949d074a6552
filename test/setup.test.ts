import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { temporary } from "./support/temporary.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const canInstall = existsSync("/etc/debian_version") && process.getuid?.() === 0;

/** Calls the set-up of npm test with a missing package, and with an apt-get that only logs its arguments. */
async function setUp(flags: string[], options: { env?: NodeJS.ProcessEnv; terminal?: string; fails?: boolean } = {}) {
  const work = await temporary();
  const bin = join(work, "bin");
  mkdirSync(bin);
  const log = join(work, "log");
  writeFileSync(join(bin, "apt-get"), `#!/bin/sh\necho "$@" >>${log}\nexit ${options.fails ? 1 : 0}\n`, {
    mode: 0o755,
  });
  const wanted = JSON.stringify({ "gantry-no-such-package": "/nonexistent/program", tar: "tar" });
  // A pipe that claims to be a terminal, so that the question and the answer can be tested.
  const input = options.terminal === undefined ? "" : ", Object.assign(process.stdin, { isTTY: true })";
  const script = `import { ensurePackages } from ${JSON.stringify(join(root, "scripts/packages.mjs"))};
    await ensurePackages(${JSON.stringify(flags)}, ${wanted}${input});`;
  const { CI: _ci, ...env } = process.env;
  const run = spawnSync(process.execPath, ["--input-type=module", "-e", script], {
    encoding: "utf8",
    input: options.terminal ?? "",
    env: { ...env, ...options.env, PATH: `${bin}:${env["PATH"]}` },
  });
  expect(run.status).toBe(0);
  return { said: run.stderr, installed: existsSync(log) ? readFileSync(log, "utf8").trim().split("\n") : [] };
}

const installs = ["update -qq", "install -y -qq --no-install-recommends gantry-no-such-package"];

describe.skipIf(!canInstall)(`what npm test installs${canInstall ? "" : " (needs root on Debian)"}`, () => {
  test("without a terminal it installs exactly the missing packages, without a question", async () => {
    expect((await setUp([])).installed).toEqual(installs);
    expect((await setUp(["--setup"])).installed).toEqual(installs);
    expect((await setUp([], { env: { CI: "true" } })).installed).toEqual(installs);
  });

  test("on a terminal it asks, unless --setup or CI is given", async () => {
    const yes = await setUp([], { terminal: "\n" });
    expect([yes.said, yes.installed]).toEqual([expect.stringContaining("now? [Y/n]"), installs]);
    const no = await setUp([], { terminal: "n\n" });
    expect([no.said, no.installed]).toEqual([expect.stringContaining("are skipped"), []]);
    for (const told of [
      await setUp(["--setup"], { terminal: "n\n" }),
      await setUp([], { terminal: "n\n", env: { CI: "true" } }),
    ])
      expect([told.said.includes("[Y/n]"), told.installed]).toEqual([false, installs]);
  });

  test("--no-setup installs nothing, not even in CI", async () => {
    const { said, installed } = await setUp(["--no-setup"], { env: { CI: "true" } });
    expect([said, installed]).toEqual([expect.stringContaining("missing: gantry-no-such-package"), []]);
  });

  test("it says what cannot be installed, and the tests run without it", async () => {
    const { said, installed } = await setUp([], { fails: true });
    expect([said, installed]).toEqual([expect.stringContaining("could not install"), installs.slice(0, 1)]);
  });
});

test("npm test always ends with its one line", () => {
  const last = (...args: string[]) => {
    const run = spawnSync("npm", ["test", "--", "--no-setup", ...args], { cwd: root, encoding: "utf8" });
    return [run.status, run.stdout.trim().split("\n").at(-1)];
  };
  expect(last("src/tar/reader.test.ts")).toEqual([0, expect.stringMatching(/^[1-9]\d* passed, 0 failed, 0 skipped$/)]);
  expect(last("--long", "no/such/file")).toEqual([1, "0 passed, 1 failed, 0 skipped"]);
  expect(last("--no-such-flag")).toEqual([1, "0 passed, 1 failed, 0 skipped"]);
});
