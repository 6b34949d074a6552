import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { pushImage, randomImage, startTestRegistry } from "../src/testing/index.ts";

/** @throws if its exit code is not 0 */
async function start(...args: readonly string[]): Promise<string> {
  const { stdout, stderr } = await promisify(execFile)(process.execPath, ["scripts/start.mjs", ...args]);
  return stdout + stderr;
}

describe("npm start", { timeout: 180_000 }, () => {
  test("pushes, pulls, resumes, refuses a changed byte, unpacks and compares", async () => {
    const out = await start();
    expect(out).toMatch(/the next request asked for bytes=\d+-/);
    expect(out).toContain("refused with exit code 5");
    expect(out).toMatch(/paths, no difference/);
    expect(existsSync(".gantry/rootfs/app/node_modules/typescript/package.json")).toBe(true);
    expect(existsSync(".gantry/rootfs/app/node_modules/typescript/README.md")).toBe(false);
  });

  test("does so with an image of a registry", async () => {
    await using server = await startTestRegistry();
    const architecture = process.arch === "x64" ? "amd64" : process.arch;
    const image = randomImage({ sizes: [3_000_000, 2_000_000], platform: { os: "linux", architecture } });
    await pushImage(server.registry, "team/app", image, "v1");
    const out = await start(`${server.host}/team/app:v1`);
    expect(out).toMatch(/the next request asked for bytes=\d+-/);
    expect(out).toMatch(/paths, no difference/);
  });
});
