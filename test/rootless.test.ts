import { spawnSync } from "node:child_process";
import { chmodSync, chownSync, cpSync, existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { LayoutRegistry } from "../src/registry/index.ts";
import { pushImage, testImage, testLayer } from "../src/testing/index.ts";
import { main, missing } from "./support/peers.ts";
import { temporary } from "./support/temporary.ts";

const reason = missing({ root: true });

test.skipIf(reason)(
  `a user who is not root unpacks a tree whose directories nobody can write to${reason ? ` (${reason})` : ""}`,
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
    // Where nobody else may look, as in a clone below /root, nobody else can run it either.
    const app = await temporary();
    const root = join(main, "../../..");
    for (const path of ["dist", "package.json", "node_modules/@stricli", "node_modules/koffi", "node_modules/@koromix"])
      if (existsSync(join(root, path))) cpSync(join(root, path), join(app, path), { recursive: true });
    chmodSync(app, 0o755);
    chownSync(work, 65534, 65534);
    chmodSync(work, 0o755);
    const ran = spawnSync(
      process.execPath,
      [join(app, "dist/cli/main.js"), "unpack", "--progress", "none", `oci:${work}/layout:v1`, join(work, "rootfs")],
      {
        uid: 65534,
        gid: 65534,
        encoding: "utf8",
      },
    );
    expect([ran.status, ran.stderr]).toEqual([0, expect.stringContaining("warning")]);
    expect(ran.stderr).toContain("trusted.foo");
    expect(ran.stderr).toContain("only root can make them");
    expect(readdirSync(work).sort()).toEqual(["layout", "rootfs"]);
    expect(readdirSync(join(work, "rootfs"), { recursive: true }).sort()).toEqual(["d", "d/f", "d/g"]);
    expect(statSync(join(work, "rootfs")).mode & 0o7777).toBe(0o555);
    expect(statSync(join(work, "rootfs/d")).mode & 0o7777).toBe(0o511);
  },
);
