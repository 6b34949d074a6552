import { type ChildProcess, spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { commands } from "../src/cli/commands.ts";
import { parseRepoName, parseTag } from "../src/reference/index.ts";
import { pushImage, randomImage, startTestRegistry } from "../src/testing/index.ts";
import { gantry } from "./support/peers.ts";
import { temporary } from "./support/temporary.ts";

const examples = fileURLToPath(new URL("../examples", import.meta.url));

function start(name: string, args: readonly string[]): ChildProcess {
  const child = spawn(process.execPath, [join(examples, name), ...args], { stdio: ["ignore", "pipe", "inherit"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  return child;
}

async function run(name: string, ...args: string[]): Promise<string> {
  const child = start(name, args);
  let output = "";
  child.stdout!.on("data", (data) => {
    output += data;
  });
  expect(await new Promise((resolve) => child.once("close", resolve))).toBe(0);
  return output;
}

test("every example runs and prints the right digest", async () => {
  const work = await temporary();
  await using server = await startTestRegistry();
  const { digest } = await pushImage(server.registry, "app", randomImage(), "v1");
  const name = `${server.host}/app:v1`;
  const store = join(work, "store");
  const ran: Record<string, string> = {
    "pull.mjs": await run("pull.mjs", name, store),
    "unpack.mjs": await run("unpack.mjs", name, store, join(work, "rootfs")),
    "copy.mjs": await run("copy.mjs", name, `oci:${work}/layout:v1`),
    "push.mjs": await run("push.mjs", name, store, `${server.host}/other:v2`),
    "look.mjs": await run("look.mjs", name),
    "validate.mjs": await run("validate.mjs", name),
    "store.mjs": await run("store.mjs", store, name),
    "names.mjs": await run("names.mjs", name, server.host),
    "login.mjs": await run("login.mjs", server.host, "me", "secret", join(work, "auth.json")),
    "client.mjs": await run("client.mjs", name),
    "media-types.mjs": `${digest} ${await run("media-types.mjs", name)}`,
    "follow.mjs": await run("follow.mjs", name, join(work, "blobs")),
  };
  ran["own-registry.mjs"] = await run("own-registry.mjs", name, `oci:${work}/own:v1`);
  const mirror = start("mirror.mjs", [server.host]);
  const host = String(await new Promise((resolve) => mirror.stdout!.once("data", resolve))).trim();
  ran["mirror.mjs"] = (await gantry(["digest", `${host}/app:v1`])).stdout;
  for (const [example, output] of Object.entries(ran))
    expect([example, output]).toEqual([example, expect.stringContaining(digest)]);
  expect(
    readdirSync(examples)
      .filter((entry) => entry.endsWith(".mjs"))
      .sort(),
  ).toEqual(Object.keys(ran).sort());
  expect(ran["follow.mjs"]).toContain("3 readers, 1 download");
  expect(ran["client.mjs"]).toContain(`registry http://${server.host}/v2/`);
  expect(ran["validate.mjs"]).toContain("0 violations, byte for byte: true");
  expect(ran["store.mjs"]).toContain(
    "is complete on this host: linux/amd64\nbackup: 33143 bytes, 2 layers, complete: true\n0 blobs, 0 bytes, have no name\nthe store is sound",
  );
  const { size } = await server.registry.getManifest(parseRepoName("app"), parseTag("v1")).then((it) => it.descriptor);
  expect(ran["media-types.mjs"]).toContain(`application/vnd.oci.image.manifest.v1+json  ${size}\n`);
  expect(ran["media-types.mjs"]).toContain("application/vnd.oci.image.layer.v1.tar+gzip  ");
  expect(readdirSync(join(work, "rootfs"))).toEqual(["layer-0", "layer-1"]);
});

test("the examples on the pages of docs/api are those of examples/", () => {
  const pages = join(examples, "../docs/api");
  let shown = 0;
  for (const page of readdirSync(pages)) {
    const blocks = [...readFileSync(join(pages, page), "utf8").matchAll(/```js\n([\s\S]*?)```/g)].map(
      (match) => match[1]!,
    );
    shown += blocks.length;
    for (const block of blocks) {
      const name = /^\/\/ node examples\/([\w-]+\.mjs)/.exec(block)?.[1] ?? "";
      expect([page, name, block]).toEqual([page, name, readFileSync(join(examples, name), "utf8")]);
    }
  }
  expect(shown).toBeGreaterThan(3);
});

test("README.md names every command and every import", () => {
  const readme = readFileSync(join(examples, "../README.md"), "utf8");
  const { exports } = JSON.parse(readFileSync(join(examples, "../package.json"), "utf8"));
  for (const path of Object.keys(exports)) {
    if (path !== "./package.json") expect(readme).toContain(`\`gantry${path.slice(1)}\``);
  }
  for (const name of Object.keys(commands))
    if (name !== "version") expect(readme).toMatch(new RegExp(`^gantry .*\\b${name}\\b`, "m"));
});
