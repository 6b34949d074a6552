import { existsSync, readdirSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { LayoutRegistry } from "../src/registry/index.ts";
import { Store } from "../src/store/index.ts";
import { pushImage, randomImage, startTestRegistry } from "../src/testing/index.ts";
import { gantry, main, peer } from "./support/peers.ts";
import { temporary } from "./support/temporary.ts";

/** Runs an advised command in a shell, as a user would who copies the line. */
async function obey(command: string): Promise<void> {
  await peer("sh", ["-c", `gantry() { '${process.execPath}' '${main}' "$@"; }; ${command}`]);
}

/** The commands that an output advises: after "repair it with", and between backticks. */
const advised = (text: string): string[] =>
  [...text.matchAll(/repair it with: (gantry .*)|`(gantry [^`]*)`/g)].map((match) => (match[1] ?? match[2])!);

/** A store that is not the default one, at a path that must be quoted for a shell. */
async function filled(): Promise<{ directory: string; flags: string[] }> {
  const directory = join(await temporary(), "it's a store");
  const store = new Store(directory, { namespace: "team" });
  await pushImage(store.registry, "reg.example.org/one", randomImage({ seed: 1 }), "v1");
  await store.close();
  return { directory, flags: ["--store", directory, "--namespace", "team"] };
}
const one = "reg.example.org/one:v1";
const removeNames = async (directory: string): Promise<void> => {
  for (const suffix of ["", "-wal", "-shm"]) await rm(join(directory, `names.db${suffix}`), { force: true });
};
const fsck = (flags: readonly string[], ...more: string[]) =>
  gantry(["images", "fsck", "--progress", "none", ...more, ...flags]);

test("a damaged database is a finding of fsck, which exits with 5; the advised command restores the names", async () => {
  const { directory, flags } = await filled();
  await removeNames(directory);
  await writeFile(join(directory, "names.db"), Buffer.alloc(20_000, 7));
  const listed = await gantry(["images", "ls", "--json", ...flags]);
  expect([listed.code, advised(listed.stderr)]).toEqual([1, [expect.stringContaining("fsck --rebuild")]]);
  const found = await fsck(flags);
  expect(found).toMatchObject({ code: 5, stderr: expect.stringContaining("STORE_DAMAGED") });
  expect(found.stdout).toMatch(/^database: /m);
  await obey(advised(found.stdout.replace(/^database: .*$/m, ""))[0]!);
  expect(await fsck(flags)).toMatchObject({ code: 0 });
  expect(JSON.parse((await gantry(["images", "--json", ...flags])).stdout)).toMatchObject([{ name: one }]);
});

test("rebuild names the file that it renamed, and no file where the database was missing", async () => {
  const { directory, flags } = await filled();
  await removeNames(directory);
  const gone = await fsck(flags, "--rebuild");
  expect(gone).toMatchObject({ code: 0, stdout: expect.stringContaining("names.db was missing") });
  expect(gone.stdout).not.toContain(".damaged");
  await removeNames(directory);
  await writeFile(join(directory, "names.db"), Buffer.alloc(20_000, 7));
  const damaged = /it was renamed to (.*\.damaged-\d+)/.exec((await fsck(flags, "--rebuild")).stdout)![1]!;
  expect(existsSync(damaged)).toBe(true);
});

for (const ruined of ["gone", "unreadable"]) {
  test(`with the database missing and index.json ${ruined}, the advice leads to an empty list and to the images without a name`, async () => {
    const { directory, flags } = await filled();
    await removeNames(directory);
    const index = join(directory, "index.json");
    await (ruined === "gone" ? rm(index) : writeFile(index, "{"));
    const listed = await gantry(["images", "ls", "--json", ...flags]);
    expect(listed.code).toBe(1);
    const rebuilt = await fsck(flags, "--rebuild");
    expect([advised(listed.stderr).length, rebuilt.code]).toEqual([1, 5]);
    expect(rebuilt.stdout).toContain("the names are lost");
    expect(rebuilt.stdout).toMatch(/^unnamed: manifest sha256:/m);
    expect(JSON.parse((await gantry(["images", "--json", ...flags])).stdout)).toEqual([]);
    const commands = advised(rebuilt.stdout);
    expect(commands).toHaveLength(1);
    await obey(commands[0]!);
    expect(JSON.parse((await gantry(["images", "--json", ...flags])).stdout)).toMatchObject([
      { here: { state: "complete" } },
    ]);
    expect((await gantry(["images", "gc", ...flags])).stderr).toContain("0 blobs removed");
    expect(await fsck(flags)).toMatchObject({ code: 0 });
    if (ruined === "unreadable") expect(readdirSync(directory).join()).toContain("index.json.damaged-");
  });
}

test("with both missing, the command in the error works as printed", async () => {
  const { directory, flags } = await filled();
  await removeNames(directory);
  await rm(join(directory, "index.json"));
  const { stderr } = await gantry(["images", "ls", "--json", ...flags]);
  // It exits with 5, because an image has no name.
  await expect(obey(advised(stderr)[0]!)).rejects.toMatchObject({ code: 5 });
  expect(await fsck(flags)).toMatchObject({ code: 0 });
});

test("fsck of a missing directory, or of a plain layout, is an error that says so", async () => {
  const work = await temporary();
  const absent = await fsck(["--store", join(work, "absent")]);
  expect([absent.code, absent.stderr]).toEqual([3, expect.stringContaining("there is no store at")]);
  expect(existsSync(join(work, "absent"))).toBe(false);
  await mkdir(join(work, "empty"));
  expect((await fsck(["--store", join(work, "empty")])).code).toBe(3);
  const layout = new LayoutRegistry(join(work, "layout"), { create: true });
  await pushImage(layout, layout.defaultRepository, randomImage(), "v1");
  const plain = await fsck(["--store", join(work, "layout")]);
  expect([plain.code, plain.stderr]).toEqual([3, expect.stringContaining("is an image layout, not a store")]);
});

test("the command that fsck advises for an image works as printed; a name that is not a reference is not pulled", async () => {
  await using server = await startTestRegistry();
  await pushImage(server.registry, "app", randomImage({ seed: 3 }), "v1");
  const name = `${server.host}/app:v1`;
  const { directory, flags } = await filled();
  expect(await gantry(["pull", "--progress", "none", name, ...flags])).toMatchObject({ code: 0 });
  const store = new Store(directory, { namespace: "team" });
  const { target } = await store.images.get(name);
  const { target: lost } = await store.images.get(one);
  for (const alias of ["backup", 'it\'s "mine" $HOME']) await store.images.create({ name: alias, target });
  await store.images.create({ name: "an old one", target: lost });
  await store.images.delete(one);
  for (const { digest } of [target, lost]) await store.blobs.delete(digest);
  await store.close();
  const { code, stdout } = await fsck(flags);
  expect([code, stdout.match(/^absent: /gm)]).toEqual([5, Array(4).fill("absent: ")]);
  const commands = advised(stdout);
  const quoted = `--store '${directory.replace("'", "'\\''")}' --namespace team`;
  const pull = `gantry pull ${name} ${quoted}`;
  // The aliases are repaired by a pull of the name with the same image. No name says which registry has the last one.
  expect(commands.sort()).toEqual([`gantry images rm 'an old one' ${quoted}`, pull, pull, pull].sort());
  for (const command of new Set(commands)) await obey(command);
  expect(await fsck(flags)).toMatchObject({ code: 0 });
});

test("the command in the error for a missing image works as printed", async () => {
  await using server = await startTestRegistry();
  await pushImage(server.registry, "app", randomImage({ seed: 3 }), "v1");
  const { flags } = await filled();
  const label = () => gantry(["images", "label", `${server.host}/app:v1`, "a=b", ...flags]);
  const { code, stderr } = await label();
  expect(code).toBe(3);
  await obey(advised(stderr)[0]!);
  expect(await label()).toMatchObject({ code: 0 });
  const never = await gantry(["images", "label", "no such name", "a=b", ...flags]);
  expect(never.code).toBe(3);
  await obey(advised(never.stderr)[0]!);
});
