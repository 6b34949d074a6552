import { spawn } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { Store } from "../src/store/index.ts";
import { pushImage, randomImage, startTestRegistry, testIndex } from "../src/testing/index.ts";
import { gantry, main } from "./support/peers.ts";
import { temporary } from "./support/temporary.ts";

const arm64 = { os: "linux", architecture: "arm64" };

async function filled(): Promise<string> {
  const directory = join(await temporary(), "store");
  const store = new Store(directory);
  await pushImage(store.registry, "reg.example.org/one", randomImage({ seed: 1 }), "v1");
  const two = testIndex([randomImage({ seed: 10 }), randomImage({ seed: 20, platform: arm64 })]);
  await pushImage(store.registry, "docker.io/library/two", two, "latest");
  await store.close();
  return directory;
}

test("images: prints a table or JSON, filters, labels and removes names", async () => {
  const store = await filled();
  const run = (...args: string[]) => gantry(["images", ...args, "--store", store]);
  const table = await run();
  expect(table).toMatchObject({ code: 0, stderr: "" });
  const lines = table.stdout.trim().split("\n");
  expect(lines[0]).toMatch(/^NAME +DIGEST +HERE +SIZE +UPDATED$/);
  expect(lines[1]).toMatch(/^docker\.io\/library\/two:latest +[0-9a-f]{12} +complete +\S+ \S+ +\d{4}-/);
  expect((await run("ls")).stdout).toBe(table.stdout);
  expect(await run("label", "two", "team=core", "a-b=x=y")).toMatchObject({ code: 0, stdout: "team=core\na-b=x=y\n" });
  const json = JSON.parse((await run("ls", "--json", "--filter", "labels.team==core")).stdout);
  expect(json).toMatchObject([
    {
      name: "docker.io/library/two:latest",
      labels: { team: "core", "a-b": "x=y" },
      here: { state: "complete", platforms: ["linux/amd64", "linux/arm64"] },
    },
  ]);
  expect(
    JSON.parse((await run("--json", "--filter", "name~=one", "--filter", 'labels."a-b"==x=y')).stdout),
  ).toHaveLength(2);
  expect(JSON.parse((await run("label", "two", "team=", "--json")).stdout).labels).toEqual({ "a-b": "x=y" });
  expect((await run("--filter", "labels.a-b==x")).stderr).toContain('must be quoted: "a-b"');
  for (const [code, ...args] of [
    [2, "ls", "--filter", "labels.a-b==x"],
    [2, "label", "two", "nothing"],
    [3, "label", "three", "a=b"],
    [3, "rm", "reg.example.org/one:v1", "three"],
    [2, "nosuch"],
    [2, "ls", "--namespace", "a b"],
    [2, "ls", "--store-db", "mysql://x"],
  ] as const)
    expect([args, (await run(...args)).code]).toEqual([args, code]);
  // The command that failed removed nothing.
  expect(await run("rm", "reg.example.org/one:v1")).toMatchObject({ code: 0, stdout: "reg.example.org/one:v1\n" });
  const dry = JSON.parse((await run("gc", "--dry-run", "--json")).stdout);
  expect([dry.dryRun, dry.blobs.length, dry.kept]).toEqual([true, 4, 9]);
  const collected = await run("gc");
  expect(collected.stdout.trim().split("\n")).toHaveLength(4);
  expect(collected.stderr).toMatch(/^4 blobs removed, .*; 9 kept\n$/);
  expect(await run("fsck", "--progress", "none")).toMatchObject({
    code: 0,
    stdout: expect.stringContaining("0 faults"),
  });
});

test("images: namespaces have separate names, and a collection keeps the images of all", async () => {
  const store = await filled();
  await using server = await startTestRegistry();
  await pushImage(server.registry, "app", randomImage({ seed: 3 }), "v1");
  const name = `${server.host}/app:v1`;
  const run = (...args: string[]) => gantry([...args, "--store", store]);
  expect(await run("pull", "--namespace", "team", "--progress", "none", name)).toMatchObject({ code: 0 });
  const names = async (...args: string[]) =>
    JSON.parse((await run("images", "--json", ...args)).stdout).map((it: { name: string }) => it.name);
  expect(await names("--namespace", "team")).toEqual([name]);
  expect(await names()).not.toContain(name);
  expect((await run("images", "gc")).stderr).toContain("0 blobs removed");
  expect(await run("manifest", "--namespace", "team", `store:${name}`)).toMatchObject({ code: 0 });
  expect(await run("manifest", `store:${name}`)).toMatchObject({ code: 3 });
});

test("images: a list is never out of date", async () => {
  const store = await filled();
  const list = async (): Promise<string> => (await gantry(["images", "--store", store])).stdout;
  // The first reader after a writer cleans up SQLite's log.
  await list();
  await sleep(2_700);
  const first = await list();
  expect(await list()).toBe(first);
  expect(readdirSync(join(store, "cache")).sort()).toEqual(["images-default.tsv", "presence.json"]);
  // This is the cached list: the files say something else.
  const kept = join(store, "cache/images-default.tsv");
  writeFileSync(kept, readFileSync(kept, "utf8").replace("NAME", "KEPT"));
  expect(await list()).toBe(first.replace("NAME", "KEPT"));
  await gantry(["images", "label", "--store", store, "two", "a=b"]);
  expect(await list()).toContain("NAME");
  await sleep(2_700);
  await list();
  await list();
  // Another process changes only the blobs, while this store is open.
  const open = new Store(store);
  await open.images.set("another", (await open.images.list())[0]!.target);
  expect(await list()).toContain("another");
  const [image] = await open.images.list("name~=one");
  await open.blobs.delete(image!.target.digest);
  expect(await list()).toMatch(/one:v1 .* absent/);
  await open.close();
  expect((await gantry(["images", "--store", store, "--json"])).stdout).toContain('"state": "absent"');
});

test("images: fsck says what is wrong, exits with 5, and names commands that repair it", async () => {
  await using server = await startTestRegistry();
  const index = testIndex([randomImage({ seed: 10 }), randomImage({ seed: 20, platform: arm64 })]);
  await pushImage(server.registry, "app", index, "v1");
  const name = `${server.host}/app:v1`;
  const store = join(await temporary(), "store");
  const run = (...args: string[]) => gantry([...args, "--store", store]);
  await run("pull", "--progress", "none", "--platform", "linux/arm64", name);
  const listed = await run("images");
  expect(listed.stdout).toMatch(/partial: linux\/arm64 /);
  const largest = readdirSync(join(store, "blobs/sha256"))
    .map((hex) => join(store, "blobs/sha256", hex))
    .sort((a, b) => readFileSync(b).length - readFileSync(a).length)[0]!;
  writeFileSync(largest, Buffer.alloc(readFileSync(largest).length));
  const found = await run("images", "fsck", "--progress", "none");
  expect(found.code).toBe(5);
  expect(found.stdout).toContain("gantry images fsck --rebuild");
  const rebuilt = await run("images", "fsck", "--rebuild", "--progress", "none");
  const repair = /repair it with: gantry (pull --platform linux\/arm64 \S+)/.exec(rebuilt.stdout)![1]!;
  expect(await run(...repair.split(" "), "--progress", "none")).toMatchObject({ code: 0 });
  expect(await run("images", "fsck", "--progress", "none")).toMatchObject({ code: 0 });
});

test("images: a pull completes during a collection of another process; the blobs of a killed pull are kept", async () => {
  await using server = await startTestRegistry({
    faults: [{ on: { kind: "slow", ms: 20 }, method: "GET", path: /blobs/ }],
  });
  const image = randomImage({ sizes: [400_000, 500_000, 600_000, 700_000] });
  await pushImage(server.registry, "app", image, "v1");
  const store = await filled();
  const name = `${server.host}/app:v1`;
  const pull = () =>
    spawn(process.execPath, [main, "pull", "--progress", "none", "--store", store, name], { stdio: "ignore" });
  const collect = async (): Promise<number> => {
    const { code, stdout, stderr } = await gantry(["images", "gc", "--json", "--store", store]);
    expect([code, stderr]).toEqual([0, ""]);
    return JSON.parse(stdout).blobs.length;
  };
  const blobs = (): number => readdirSync(join(store, "blobs/sha256")).length;
  const before = blobs();
  const first = pull();
  while (blobs() === before) await sleep(5);
  first.kill("SIGKILL");
  await new Promise((resolve) => first.once("exit", resolve));
  const halfway = blobs();
  expect(halfway).toBeGreaterThan(before);
  expect(await collect()).toBe(0);
  expect(blobs()).toBe(halfway);
  const second = pull();
  const ended = new Promise<number | null>((resolve) => second.once("exit", resolve));
  let running = true;
  void ended.then(() => {
    running = false;
  });
  // At least once: the pull runs when the first collection begins.
  while (running) await collect();
  expect(await ended).toBe(0);
  expect(await gantry(["images", "fsck", "--progress", "none", "--store", store])).toMatchObject({ code: 0 });
  const listed = JSON.parse((await gantry(["images", "--json", "--store", store])).stdout);
  expect(listed.find((it: { name: string }) => it.name === name).here.state).toBe("complete");
});
