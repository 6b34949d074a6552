import { spawnSync } from "node:child_process";
import { chmodSync, chownSync, cpSync, existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { LayoutRegistry } from "../src/registry/index.ts";
import { pushImage, testImage, testLayer } from "../src/testing/index.ts";
import { main, missing } from "./support/peers.ts";
import { temporary } from "./support/temporary.ts";

const reason = missing({ root: true });

/**
 * The built command with these packages, where every user can run it: a clone below /root lets only root in.
 * @returns its script
 */
async function installed(packages: readonly string[]): Promise<string> {
  const app = await temporary();
  const root = join(main, "../../..");
  for (const path of ["dist", "package.json", ...packages])
    if (existsSync(join(root, path))) cpSync(join(root, path), join(app, path), { recursive: true });
  chmodSync(app, 0o755);
  return join(app, "dist/cli/main.js");
}

test.skipIf(reason)(
  `a user who is not root unpacks a tree with directories that are not writable${reason ? ` (${reason})` : ""}`,
  async () => {
    const work = await temporary();
    const layers = [
      testLayer([
        { name: ".", type: "directory", mode: 0o555 },
        { name: "d", type: "directory", mode: 0o555, uid: 5, xattrs: { "trusted.foo": "bar", "user.one": "1" } },
        { name: "d/f", data: "x", uid: 7, gid: 8 },
        { name: "null", type: "char", major: 1, minor: 3 },
      ]),
      testLayer([
        { name: "d", type: "directory", mode: 0o511, xattrs: { "user.two": "2" } },
        { name: "d/g", data: "y" },
      ]),
    ];
    const layout = new LayoutRegistry(join(work, "layout"), { create: true });
    await pushImage(layout, layout.defaultRepository, testImage(layers), "v1");
    await layout.close();
    const app = await installed(["node_modules/@stricli", "node_modules/koffi", "node_modules/@koromix"]);
    chownSync(work, 65534, 65534);
    chmodSync(work, 0o755);
    const ran = spawnSync(
      process.execPath,
      [app, "unpack", "--progress", "none", `oci:${work}/layout:v1`, join(work, "rootfs")],
      {
        uid: 65534,
        gid: 65534,
        encoding: "utf8",
      },
    );
    expect([ran.status, ran.stderr]).toEqual([0, expect.stringContaining("warning")]);
    expect(ran.stderr).toContain("trusted.foo");
    expect(ran.stderr).toContain("only root can create them");
    expect(readdirSync(work).sort()).toEqual(["layout", "rootfs"]);
    expect(readdirSync(join(work, "rootfs"), { recursive: true }).sort()).toEqual(["d", "d/f", "d/g"]);
    expect(statSync(join(work, "rootfs")).mode & 0o7777).toBe(0o555);
    expect(statSync(join(work, "rootfs/d")).mode & 0o7777).toBe(0o511);
  },
);

test.skipIf(reason)(`root without koffi leaves out devices and attributes${reason ? ` (${reason})` : ""}`, async () => {
  const work = await temporary();
  const layers = [
    testLayer([
      { name: "dev/null", data: "of a lower layer" },
      { name: "f", data: "x", uid: 7, gid: 8, mode: 0o4755, mtime: 5, xattrs: { "user.one": "1" } },
    ]),
    testLayer([
      { name: "dev/null", type: "char", major: 1, minor: 3 },
      { name: "dev/log", type: "fifo" },
    ]),
  ];
  const layout = new LayoutRegistry(join(work, "layout"), { create: true });
  await pushImage(layout, layout.defaultRepository, testImage(layers), "v1");
  await layout.close();
  const app = await installed(["node_modules/@stricli"]);
  const rootfs = join(work, "rootfs");
  const args = [app, "unpack", "--progress", "none", `oci:${work}/layout:v1`, rootfs];
  const ran = spawnSync(process.execPath, args, { encoding: "utf8" });
  expect([ran.status, ran.stderr]).toEqual([0, expect.stringContaining("warning")]);
  for (const left of ["dev/null", "dev/log", "extended attributes"]) expect(ran.stderr).toContain(left);
  expect(readdirSync(rootfs, { recursive: true }).sort()).toEqual(["dev", "f"]);
  const { uid, gid, mode, mtimeMs } = statSync(join(rootfs, "f"));
  expect([uid, gid, mode & 0o7777, mtimeMs]).toEqual([7, 8, 0o4755, 5000]);
});
