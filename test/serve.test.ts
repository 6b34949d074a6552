import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { parseRepoName } from "../src/reference/reference.ts";
import { LayoutRegistry } from "../src/registry/layout/layout.ts";
import { hexOf } from "../src/spec/digest.ts";
import { pushImage, randomImage } from "../src/testing/index.ts";
import { gantry, main } from "./support/peers.ts";
import { ask, codeOf } from "./support/raw.ts";
import { temporary } from "./support/temporary.ts";

/** The built `gantry serve` on a free port until the test ends; `stop` says what it wrote to stderr. */
async function served(...args: string[]): Promise<{ host: string; stop: () => Promise<string> }> {
  const child = spawn(process.execPath, [main, "serve", "--listen", "127.0.0.1:0", "--json", ...args]);
  onTestFinished(() => void child.kill());
  let stderr = "";
  child.stderr.on("data", (data) => {
    stderr += data;
  });
  const [line] = (await once(child.stdout, "data")) as [Buffer];
  const stop = async (): Promise<string> => {
    child.kill();
    await once(child, "close");
    return stderr;
  };
  return { host: JSON.parse(String(line)).host, stop };
}

test("gantry serve prints one line for each failure of its own, and none for failures of clients", async () => {
  const directory = join(await temporary(), "layout\u001b[31m");
  const layout = new LayoutRegistry(directory, { create: true });
  const { digest } = await pushImage(layout, parseRepoName("app"), randomImage(), "v1");
  await layout.close();
  const server = await served(`oci:${directory}`);
  expect((await ask(server, "GET", "/v2/app/manifests/v1")).status).toBe(200);
  const path = join(directory, "blobs/sha256", hexOf(digest));
  await writeFile(path, (await readFile(path)).reverse());
  for (const tag of ["none", "v1", "other", "v1"]) await ask(server, "GET", `/v2/app/manifests/${tag}`);
  const lines = (await server.stop()).trimEnd().split("\n");
  expect(lines).toHaveLength(2);
  for (const line of lines) {
    expect(line).toMatch(/^error: GET \/v2\/app\/manifests\/v1: /);
    expect(line).toContain(digest);
    expect(line).not.toContain("\u001b");
  }
});

test("gantry serve accepts the host names, origins and sizes that its flags allow", async () => {
  const args = [
    "--allow-host",
    "registry.example",
    "--allow-origin",
    "https://ui.example",
    "--limit",
    "uploadBytes=10",
  ];
  const server = await served("memory:", ...args);
  const status = async (headers: Record<string, string>): Promise<number> =>
    (await ask(server, "GET", "/v2/", { headers })).status;
  expect(await status({ host: "registry.example" })).toBe(200);
  expect(await status({ host: "other.example" })).toBe(403);
  expect(await status({ origin: "https://ui.example" })).toBe(200);
  expect(await status({ origin: "https://other.example" })).toBe(403);
  const upload = await ask(server, "POST", "/v2/app/blobs/uploads/");
  const answer = await ask(server, "PATCH", String(upload.headers["location"]), { body: "eleven byte" });
  expect([answer.status, codeOf(answer)]).toEqual([413, "SIZE_INVALID"]);
  for (const wrong of [
    ["--allow-origin", "ui.example"],
    ["--allow-host", "a:1"],
    ["--limit", "uploads=x"],
  ]) {
    expect((await gantry(["serve", "memory:", "--listen", "127.0.0.1:0", ...wrong])).code).toBe(2);
  }
});
