import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { exitCodes } from "../src/base/codes.ts";
import { version } from "../src/base/version.ts";
import { pushImage, randomImage, startTestRegistry, testImage, testIndex, testLayer } from "../src/testing/index.ts";
import { gantry, main, missing } from "./support/peers.ts";
import { temporary } from "./support/temporary.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const packageJson = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));

/** Runs the command with a loader hook that names every module, and Node's own list of builtins at the end. */
function loadedModules(...args: string[]): string[] {
  const hook = `
    import { register } from "node:module";
    register("data:text/javascript," + encodeURIComponent('export async function load(url, context, next) { process._rawDebug("LOADED " + url); return next(url, context); }'));
    process.on("exit", () => { for (const name of process.moduleLoadList) process._rawDebug("LOADED " + name); });`;
  const run = spawnSync(
    process.execPath,
    ["--import", `data:text/javascript,${encodeURIComponent(hook)}`, main, ...args],
    { encoding: "utf8" },
  );
  expect(run.status).toBe(0);
  return run.stderr.split("\n").flatMap((line) => (line.startsWith("LOADED ") ? [line.slice(7)] : []));
}

describe("the command", () => {
  test("has the version of the package", async () => {
    expect(version).toBe(packageJson.version);
    expect(await gantry(["--version"])).toMatchObject({ code: 0, stdout: `gantry ${version}\n` });
    expect(JSON.parse((await gantry(["version", "--json"])).stdout)).toMatchObject({ version });
  });

  test("loads no database, no native package and no worker for --version and digest", async () => {
    const work = await temporary();
    const source = await (await import("../src/registry/index.ts")).LayoutRegistry;
    const layout = new source(join(work, "layout"), { create: true });
    await pushImage(layout, layout.defaultRepository, randomImage(), "v1");
    await layout.close();
    for (const args of [["--version"], ["digest", `oci:${work}/layout:v1`]]) {
      const loaded = loadedModules(...args);
      expect(loaded.some((name) => name.endsWith("cli/main.js"))).toBe(true);
      expect(loaded.filter((name) => /koffi|sqlite|libsql|\/pg\/|dist\/layer\/worker/.test(name))).toEqual([]);
      expect(args[0] === "--version" && loaded.some((name) => /stricli|engine|model/.test(name))).toBe(false);
    }
  });

  test("has --help for all commands, suggests corrections, and ends with 2 on wrong usage", async () => {
    const help = await gantry(["--help"]);
    expect(help.code).toBe(0);
    for (const name of ["pull", "push", "cp", "unpack", "inspect", "digest", "manifest", "config", "ls", "serve"]) {
      expect(help.stdout).toContain(`  ${name}`);
      const own = await gantry([name, "--help"]);
      expect(own).toMatchObject({ code: 0 });
      expect(own.stdout).toContain(`gantry ${name}`);
    }
    expect(await gantry(["pul"])).toMatchObject({ code: 2 });
    expect((await gantry(["pul"])).stderr).toContain("pull");
    for (const args of [
      ["pull"],
      ["pull", "--nope", "x"],
      ["pull", "app/UPPER"],
      ["unpack", "--platform", "what", "a", "b"],
      ["pull", "--limit", "x=1", "a"],
      ["serve", "nothing:"],
    ]) {
      const ran = await gantry([...args, ...(args[0] === "pull" ? ["--store", "/nonexistent/x"] : [])]);
      expect([args, ran.code, ran.stdout]).toEqual([args, 2, ""]);
      expect(ran.stderr.trim().split("\n").length).toBeLessThan(4);
    }
  });

  test("ends with 3 and names what was not found", async () => {
    await using server = await startTestRegistry();
    await pushImage(server.registry, "app", randomImage(), "v1");
    const store = await temporary();
    for (const args of [
      ["digest", `${server.host}/app:v2`],
      ["pull", "--store", store, `${server.host}/none:v1`],
      ["ls", `${server.host}/none`],
      ["digest", "--store", store, "store:app"],
    ]) {
      const ran = await gantry(args);
      expect([args, ran.code, ran.stdout]).toEqual([args, 3, ""]);
    }
    const platform = await gantry(["pull", "--store", store, "--platform", "linux/riscv64", `${server.host}/app:v1`]);
    expect([platform.code, platform.stderr]).toEqual([3, expect.stringContaining("it is one image, for linux/amd64")]);
    const unpacked = await gantry([
      "unpack",
      "--store",
      store,
      "--platform",
      "linux/riscv64",
      `${server.host}/app:v1`,
      join(store, "r"),
    ]);
    expect(unpacked.code).toBe(3);
    expect(unpacked.stderr).toContain("linux/amd64");
  });

  test("shows an image of two platforms, and pulls the requested one", async () => {
    await using server = await startTestRegistry();
    const image = testIndex([
      randomImage(),
      randomImage({ seed: 5, platform: { os: "linux", architecture: "arm64", variant: "v8" } }),
    ]);
    await pushImage(server.registry, "app", image, "v1");
    const name = `${server.host}/app:v1`;
    const inspected = JSON.parse((await gantry(["inspect", "--json", name])).stdout);
    expect(inspected.images.map((each: { platform: object }) => each.platform)).toEqual([
      { os: "linux", architecture: "amd64" },
      { os: "linux", architecture: "arm64", variant: "v8" },
    ]);
    const store = join(await temporary(), "store");
    const pulled = await gantry([
      "pull",
      "--json",
      "--progress",
      "json",
      "--store",
      store,
      "--platform",
      "linux/arm64",
      name,
    ]);
    expect(JSON.parse(pulled.stdout)).toMatchObject({ name, digest: image.descriptor.digest, blobs: { moved: 3 } });
    const events = pulled.stderr
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(events.filter((event) => event.type === "start")).toHaveLength(3);
    expect(events.filter((event) => event.type === "end").map((event) => event.result)).toEqual([
      "done",
      "done",
      "done",
    ]);
    const manifest = await gantry(["manifest", "--store", store, `store:${name}`]);
    expect(manifest.stdout).toBe(image.documents.at(-1)!.bytes.toString());
    expect((await gantry(["config", "--store", store, "--platform", "linux/arm64", `store:${name}`])).stdout).toContain(
      "arm64",
    );
    expect((await gantry(["inspect", "--store", store, `store:${name}`])).stdout).toContain("missing");
    const push = await gantry(["push", "--store", store, name, `${server.host}/copy:v1`]);
    expect(push.code).toBe(1);
    expect(push.stderr).toMatch(/linux\/amd64 missing.*--platform all/);
    const one = await gantry([
      "push",
      "--progress",
      "none",
      "--store",
      store,
      "--platform",
      "linux/arm64",
      name,
      `${server.host}/copy:v1`,
    ]);
    expect(one).toMatchObject({ code: 0, stdout: `${image.documents[1]!.descriptor.digest}\n` });
  });

  test.each([
    ["pull", (name: string): string[] => [name]],
    ["cp", (name: string): string[] => [name, "store:copied:v1"]],
  ])("%s holds a lease, stops on SIGINT with 130 and leaves nothing behind", async (command, operands) => {
    await using server = await startTestRegistry({
      faults: [{ on: { kind: "stall", after: 100 }, path: /blobs\/sha256/, method: "GET" }],
    });
    await pushImage(server.registry, "app", randomImage({ sizes: [200_000] }), "v1");
    const store = join(await temporary(), "store");
    const child = spawn(
      process.execPath,
      [main, command, "--progress", "none", "--store", store, ...operands(`${server.host}/app:v1`)],
      { stdio: "ignore" },
    );
    while (!server.requests.some(({ path, method }) => method === "GET" && path.includes("/blobs/")))
      await new Promise((resolve) => setTimeout(resolve, 20));
    const [lease] = readdirSync(join(store, "leases"));
    const [first, ...named] = readFileSync(join(store, "leases", lease!), "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(Date.parse(first.expires)).toBeGreaterThan(Date.now());
    expect(named.some(({ digest }) => server.requests.some(({ path }) => path.endsWith(digest)))).toBe(true);
    const exited = new Promise((resolve) => child.once("exit", (code) => resolve(code)));
    child.kill("SIGINT");
    expect(await exited).toBe(130);
    expect(readdirSync(join(store, "blobs/sha256"))).toEqual([]);
    expect(readdirSync(join(store, "leases"))).toEqual([]);
    expect(existsSync(join(store, "tmp")) ? readdirSync(join(store, "tmp")) : []).toEqual([]);
  });

  test("ends on a signal although a process that a credential helper started still runs", async () => {
    const work = await temporary();
    const pidFile = join(work, "pid");
    await writeFile(
      join(work, "docker-credential-slow"),
      `#!/bin/sh\nsleep 60 &\necho $! > ${pidFile}.new && mv ${pidFile}.new ${pidFile}\nwait\n`,
      { mode: 0o755 },
    );
    await writeFile(join(work, "config.json"), '{"credsStore":"slow"}');
    await using server = await startTestRegistry({ faults: [{ on: { kind: "status", status: 401 }, path: /tags/ }] });
    const env = { ...process.env, PATH: `${work}:${process.env["PATH"]}`, DOCKER_CONFIG: work };
    const child = spawn(process.execPath, [main, "ls", `${server.host}/app`], { env, stdio: "ignore" });
    while (!existsSync(pidFile)) await new Promise((resolve) => setTimeout(resolve, 20));
    const exited = new Promise((resolve) => child.once("exit", (code) => resolve(code)));
    child.kill("SIGTERM");
    expect(await exited).toBe(143);
    const pid = Number(readFileSync(pidFile, "utf8"));
    // The sleep still runs, so the command did not wait for it.
    expect(process.kill(pid, 0)).toBe(true);
    process.kill(pid, "SIGKILL");
  });

  test("waits as long as a 429 asks, with a warning, and fails at once if the wait is too long", async () => {
    await using server = await startTestRegistry({
      faults: [{ on: { kind: "status", status: 429, retryAfter: "1" }, path: /manifests/, times: 1 }],
    });
    await pushImage(server.registry, "app", randomImage(), "v1");
    const store = join(await temporary(), "store");
    const started = performance.now();
    const ran = await gantry(["pull", "--progress", "plain", "--store", store, `${server.host}/app:v1`]);
    expect(ran.code).toBe(0);
    expect(performance.now() - started).toBeGreaterThan(1000);
    expect(ran.stderr).toContain("answered 429; retrying in 1.0 s");
    server.faults = [{ on: { kind: "status", status: 429, retryAfter: "86400" } }];
    const refused = await gantry(["digest", `${server.host}/app:v1`]);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(/86400 s.*TOO_MANY_REQUESTS/);
  });

  test("escapes control characters of names", async () => {
    const ran = await gantry(["digest", "oci:/nonexistent\u001b[31m"]);
    expect(ran.stderr).not.toContain("\u001b");
    expect(ran.stderr).toContain("\\x1b[31m");
  });

  test("refuses a store of a newer version and leaves it untouched", async () => {
    const store = await temporary();
    writeFileSync(join(store, "version.json"), '{"version":99}');
    const ran = await gantry(["pull", "--store", store, "127.0.0.1:1/app:v1"]);
    expect(ran.code).toBe(1);
    expect(ran.stderr).toContain("STORE_VERSION");
    expect(readdirSync(store)).toEqual(["version.json"]);
    const foreign = await temporary();
    writeFileSync(join(foreign, "mine"), "x");
    expect(await gantry(["pull", "--store", foreign, "127.0.0.1:1/app:v1"])).toMatchObject({ code: 2 });
    expect(readdirSync(foreign)).toEqual(["mine"]);
  });

  const reason = missing({ root: true });
  test.skipIf(reason)(
    `says that the disk is full, and leaves nothing on it${reason ? ` (${reason})` : ""}`,
    async () => {
      const work = await temporary();
      await using server = await startTestRegistry();
      await pushImage(server.registry, "app", randomImage({ sizes: [6 << 20] }), "v1");
      mkdirSync(join(work, "small"));
      spawnSync("mount", ["-t", "tmpfs", "-o", "size=4m", "none", join(work, "small")]);
      try {
        const pulled = await gantry([
          "pull",
          "--progress",
          "none",
          "--store",
          join(work, "small/store"),
          `${server.host}/app:v1`,
        ]);
        expect(pulled.stderr).toMatch(/no space left.*free.*NO_SPACE/);
        expect(pulled.code).toBe(1);
        expect(readdirSync(join(work, "small/store/blobs/sha256")).length).toBeLessThanOrEqual(1);
        const unpacked = await gantry([
          "unpack",
          "--progress",
          "none",
          "--store",
          join(work, "store"),
          `${server.host}/app:v1`,
          join(work, "small/rootfs"),
        ]);
        expect(unpacked.stderr).toContain("NO_SPACE");
        expect(readdirSync(join(work, "small"))).toEqual(["store"]);
      } finally {
        spawnSync("umount", [join(work, "small")]);
      }
    },
  );

  test.skipIf(reason)(
    `unpacks into a mount point, whose root gets the attributes of the image's root${reason ? ` (${reason})` : ""}`,
    async () => {
      const work = await temporary();
      await using server = await startTestRegistry();
      const layer = testLayer([
        { name: ".", type: "directory", mode: 0o710, uid: 4, gid: 5, mtime: 1_000_000_000 },
        { name: "d/f", data: "x" },
      ]);
      await pushImage(server.registry, "app", testImage([layer]), "v1");
      const target = join(work, "mounted");
      mkdirSync(target);
      spawnSync("mount", ["-t", "tmpfs", "none", target]);
      try {
        const ran = await gantry([
          "unpack",
          "--progress",
          "none",
          "--store",
          join(work, "store"),
          `${server.host}/app:v1`,
          target,
        ]);
        expect(ran).toMatchObject({ code: 0 });
        const { mode, uid, gid, mtimeMs } = statSync(target);
        expect([mode & 0o7777, uid, gid, mtimeMs]).toEqual([0o710, 4, 5, 1e12]);
        expect(readdirSync(target)).toEqual(["d"]);
      } finally {
        spawnSync("umount", [target]);
      }
    },
  );

  test("has an exit code from 1 to 6 for every error", () => {
    expect(Object.values(exitCodes).every((code) => code >= 1 && code <= 6)).toBe(true);
  });
});
