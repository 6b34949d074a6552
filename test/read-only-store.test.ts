import { spawn } from "node:child_process";
import { chmodSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { Store } from "../src/store/index.ts";
import { pushImage, randomImage, startTestRegistry } from "../src/testing/index.ts";
import { newerNode, noNewerNode } from "./support/node.ts";
import { main, missing, peer, type Ran } from "./support/peers.ts";
import { temporary } from "./support/temporary.ts";

const reason = missing({ root: true, programs: ["unshare", "setpriv", "mount"] });
const one = "reg.example.org/one:v1";
const two = "reg.example.org/two:v1";

/** A store with one name in its database, and one that is only in SQLite's log, because its writer was killed. */
async function filled(): Promise<string> {
  const directory = join(await temporary(), "store");
  // In a process of its own: libsql closes a database only when its handle is garbage-collected.
  const module = (name: string): string => JSON.stringify(join(main, "../..", name, "index.js"));
  const script = `
    import { Store } from ${module("store")};
    import { pushImage, testImage, testLayer } from ${module("testing")};
    const store = new Store(${JSON.stringify(directory)});
    const image = testImage([testLayer([{ name: "file", data: "one" }])]);
    await pushImage(store.registry, "reg.example.org/one", image, "v1");
    await store.close();
    const again = new Store(${JSON.stringify(directory)});
    await again.images.set("${two}", image.descriptor);
    process.kill(process.pid, "SIGKILL");`;
  await peer(process.execPath, ["--input-type=module", "-e", script]).catch(() => {});
  expect(statSync(join(directory, "names.db-wal")).size).toBeGreaterThan(0);
  return directory;
}

function run(program: string, args: readonly string[]): Promise<Ran> {
  return new Promise((resolve) => {
    // Without the configuration of root, which another user may not read.
    const child = spawn(program, args, { env: { ...process.env, HOME: "/nonexistent" }, cwd: "/" });
    const output = { stdout: "", stderr: "" };
    for (const name of ["stdout", "stderr"] as const) {
      child[name].on("data", (data: Buffer) => {
        output[name] += data.toString();
      });
    }
    child.once("close", (code) => resolve({ code: code ?? 1, ...output }));
  });
}

/** Every entry of a store with the time of its last change. */
const listing = (directory: string): string[] =>
  readdirSync(directory, { recursive: true })
    .map((path) => `${path} ${statSync(join(directory, String(path))).mtimeMs}`)
    .sort();
const copies = (): string[] => readdirSync(tmpdir()).filter((name) => name.startsWith("gantry-names-"));

type Gantry = (store: string, ...args: string[]) => Promise<Ran>;

/** Expects that reading commands work on a read-only store, and that writing commands fail with `says`. */
async function readsAndRefuses(gantry: Gantry, store: string, work: string, says: string): Promise<void> {
  const before = listing(store);
  await using server = await startTestRegistry();
  await pushImage(server.registry, "app", randomImage({ seed: 3 }), "v1");
  const ok = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await gantry(store, ...args);
    expect([args, code, stderr]).toEqual([args, 0, ""]);
    return stdout;
  };
  const images = JSON.parse(await ok("images", "ls", "--json"));
  expect(images).toMatchObject([
    { name: one, here: { state: "complete" } },
    { name: two, here: { state: "complete" } },
  ]);
  expect(await ok("images", "ls", "--filter", "name~=two")).toContain(two);
  expect(await ok("inspect", `store:${one}`)).toContain("linux/amd64");
  for (const name of [`store:${one}`, one]) {
    await ok("unpack", "--progress", "none", "--policy", "Never", name, join(work, `rootfs${name.length}`));
    expect(readFileSync(join(work, `rootfs${name.length}`, "file"), "utf8")).toBe("one");
  }
  await ok("cp", "--progress", "none", `store:${two}`, `oci:${join(work, "layout")}:v1`);
  expect(await ok("digest", `oci:${join(work, "layout")}:v1`)).toContain(images[0].target.digest);
  await ok("push", "--progress", "none", one, `${server.host}/pushed:v1`);
  expect(await ok("images", "fsck", "--progress", "none")).toContain("0 faults");
  for (const args of [
    ["images", "rm", one],
    ["images", "label", one, "a=b"],
    ["tag", `store:${one}`, "v2"],
    ["images", "gc"],
    ["pull", "--progress", "none", `${server.host}/app:v1`],
  ]) {
    const { code, stderr } = await gantry(store, ...args);
    expect([args, code, stderr]).toEqual([args, 1, expect.stringContaining(says)]);
  }
  expect(listing(store)).toEqual(before);
}

describe.skipIf(reason)(`a store that cannot be written to${reason ? ` (${reason})` : ""}`, () => {
  let app: string;
  beforeAll(async () => {
    // A directory where another user can run it, also for a clone below /root.
    app = join(tmpdir(), `gantry-test-app-${process.pid}`);
    mkdirSync(app, { mode: 0o755 });
    const root = join(main, "../../..");
    const packages = ["@stricli", "koffi", "@koromix", "libsql", "@libsql", "@neon-rs", "detect-libc", "re2js"];
    for (const path of ["dist", "package.json", ...packages.map((name) => `node_modules/${name}`)])
      if (existsSync(join(root, path))) cpSync(join(root, path), join(app, path), { recursive: true });
    if (!noNewerNode) cpSync(newerNode, join(app, "node"), { dereference: true });
    return () => peer("rm", ["-rf", app]);
  });

  const drivers: [title: string, node: () => string][] = [["this Node", () => process.execPath]];
  if (!noNewerNode) drivers.push(["a newer Node", () => join(app, "node")]);
  for (const [title, node] of drivers) {
    const command = (): string => join(app, "dist/cli/main.js");

    test(`a store on a read-only mount can be read, and writes fail with an error (${title})`, async () => {
      const [store, work] = [await filled(), await temporary()];
      const mounted: Gantry = (directory, ...args) => {
        const script = 'mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" && shift && exec "$@"';
        const words = [node(), command(), ...args, "--store", directory];
        return run("unshare", ["-m", "sh", "-c", script, "sh", directory, ...words]);
      };
      await readsAndRefuses(mounted, store, work, "read-only");
      // Without a log, as after every command that ends normally.
      await peer(node(), [command(), "images", "ls", "--json", "--store", store]);
      expect(existsSync(join(store, "names.db-wal"))).toBe(false);
      expect((await mounted(store, "images", "ls", "--filter", "name~=two")).stdout).toContain(two);
      expect(copies()).toEqual([]);
    });

    test(`another user reads a store without permission to write (${title})`, async () => {
      const [store, work] = [await filled(), await temporary()];
      chmodSync(join(store, ".."), 0o755);
      chmodSync(work, 0o777);
      await peer("chmod", ["-R", "a+rX,a-w", store]);
      const other: Gantry = (directory, ...args) =>
        run("setpriv", [
          ...["--reuid=65534", "--regid=65534", "--clear-groups", node(), command()],
          ...[...args, "--store", directory],
        ]);
      await readsAndRefuses(other, store, work, "EACCES");
      await peer("chmod", ["-R", "u+w", store]);
      await peer(node(), [command(), "images", "ls", "--json", "--store", store]);
      expect(existsSync(join(store, "names.db-wal"))).toBe(false);
      await peer("chmod", ["-R", "a+rX,a-w", store]);
      expect((await other(store, "images", "ls", "--filter", "name~=two")).stdout).toContain(two);
      expect(copies()).toEqual([]);
      await peer("chmod", ["-R", "u+w", store]);
    });

    test(`a reader on a read-only mount sees the changes of another process (${title})`, async () => {
      const store = await filled();
      const writer = new Store(store);
      const { target } = await writer.images.get(one);
      const script = 'mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" && shift && exec "$@"';
      const list = () =>
        run("unshare", [
          ...["-m", "sh", "-c", script, "sh", store, node(), command()],
          ...["images", "ls", "--filter", "name~=three", "--store", store],
        ]);
      expect((await list()).stdout).not.toContain("three");
      await writer.images.set("reg.example.org/three:v1", target);
      expect((await list()).stdout).toContain("three");
      await writer.close();
      expect((await list()).stdout).toContain("three");
    });
  }
});
