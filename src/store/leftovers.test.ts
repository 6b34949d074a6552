import { spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { gantry, main } from "../../test/support/peers.ts";
import { temporary } from "../../test/support/temporary.ts";
import { pushImage, randomImage } from "../testing/index.ts";
import { Store } from "./index.ts";

const hang = fileURLToPath(new URL("../../test/fixtures/hang-in-rename.mjs", import.meta.url));

/** Runs the command until it is about to publish a file, and kills it there. */
async function killBefore(file: string, args: readonly string[]): Promise<void> {
  const child = spawn(process.execPath, ["--import", hang, main, ...args], {
    env: { ...process.env, GANTRY_TEST_HANG: file },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = new Promise((resolve) => child.once("close", (_code, signal) => resolve(signal)));
  await new Promise((resolve) => child.stdout.once("data", resolve));
  child.kill("SIGKILL");
  expect(await ended).toBe("SIGKILL");
}

async function filled(): Promise<Store> {
  const store = new Store(join(await temporary(), "store"));
  await pushImage(store.registry, "reg.example.org/one", randomImage({ seed: 1 }), "v1");
  await store.close();
  return store;
}

const leftIn = (directory: string): string[] =>
  readdirSync(directory).filter((name) => /\.gantry-|\.lock|[0-9a-f-]{36}$/.test(name));
const one = "reg.example.org/one:v1";

test("the next export removes the temporary file of a killed export", async () => {
  const { directory } = await filled();
  const label = (text: string): string[] => ["images", "label", "--store", directory, one, text];
  for (let at = 0; at < 3; at += 1) await killBefore("index.json", label(`a=${at}`));
  expect(leftIn(directory)).toEqual(Array(3).fill(expect.stringMatching(/^index\.json\.gantry-/)));
  expect(await gantry(label("b=2"))).toMatchObject({ code: 0, stdout: "a=2\nb=2\n" });
  expect(leftIn(directory)).toEqual([]);
  expect(readFileSync(join(directory, "index.json"), "utf8")).toContain(String.raw`{\"a\":\"2\",\"b\":\"2\"}`);
});

test("the next export removes the temporary file of a killed listing", async () => {
  const { directory } = await filled();
  // A listing is cached when the files that it depends on have not changed for a while.
  const old = new Date(Date.now() - 60_000);
  for (const name of ["version.json", "names.db", "blobs/sha256"]) await utimes(join(directory, name), old, old);
  await killBefore("presence.json", ["images", "ls", "--store", directory]);
  expect(leftIn(join(directory, "cache"))).toEqual([expect.stringMatching(/^presence\.json\.gantry-/)]);
  expect(await gantry(["images", "label", "--store", directory, one, "a=1"])).toMatchObject({ code: 0 });
  expect(leftIn(join(directory, "cache"))).toEqual([]);
});

test("the next command creates a store whose creation was killed, and leaves no temporary files", async () => {
  const layout = join(await temporary(), "layout");
  const source = await filled();
  await gantry(["cp", "--store", source.directory, `store:${one}`, `oci:${layout}:v1`]);
  const directory = join(await temporary(), "store");
  const args = ["cp", "--store", directory, `oci:${layout}:v1`, `store:${one}`];
  await killBefore("version.json", args);
  const lock = join(directory, "version.json.lock");
  expect(leftIn(directory)).toEqual([expect.stringMatching(/^version\.json\.gantry-/), "version.json.lock"]);
  // After half a minute the lock of the killed process is taken over.
  const old = new Date(Date.now() - 60_000);
  await utimes(lock, old, old);
  await writeFile(`${lock}.takeover`, "");
  await utimes(`${lock}.takeover`, old, old);
  await writeFile(join(directory, "index.json.lock"), "");
  await utimes(join(directory, "index.json.lock"), old, old);
  expect(await gantry(args)).toMatchObject({ code: 0 });
  expect(leftIn(directory)).toEqual([]);
  expect(existsSync(join(directory, "version.json"))).toBe(true);
});

test("the next change of a layout removes the temporary file of a killed change", async () => {
  const { directory } = await filled();
  const layout = join(await temporary(), "layout");
  const cp = (tag: string): string[] => ["cp", "--store", directory, `store:${one}`, `oci:${layout}:${tag}`];
  expect(await gantry(cp("v1"))).toMatchObject({ code: 0 });
  await killBefore("index.json", cp("v2"));
  expect(leftIn(layout)).toContainEqual(expect.stringMatching(/^index\.json\.gantry-/));
  const lock = join(layout, "index.json.lock");
  await utimes(lock, new Date(0), new Date(0));
  expect(await gantry(cp("v3"))).toMatchObject({ code: 0 });
  expect(leftIn(layout)).toEqual([]);
});
