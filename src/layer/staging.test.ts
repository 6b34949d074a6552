import { spawnSync } from "node:child_process";
import { chmodSync, chownSync, mkdirSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { main, missing } from "../../test/support/peers.ts";
import { temporary } from "../../test/support/temporary.ts";
import { unpackLayers } from "../../test/support/unpack.ts";
import { LayoutRegistry } from "../registry/index.ts";
import type { TarEntry } from "../tar/index.ts";
import { pushImage, testImage, testLayer } from "../testing/index.ts";

const root = missing({ root: true });
const ifRoot = test.skipIf(root);
const why = root ? ` (${root})` : "";

async function layoutOf(work: string, entries: readonly TarEntry[]): Promise<string> {
  const layout = new LayoutRegistry(join(work, "layout"), { create: true });
  await pushImage(layout, layout.defaultRepository, testImage([testLayer(entries)]), "v1");
  await layout.close();
  return `oci:${work}/layout:v1`;
}

/** Runs a shell script in a mount namespace of its own; `gantry` is the built command. */
function mounted(cwd: string, script: string): { code: number | null; stderr: string } {
  const command = `gantry() { ${process.execPath} ${main} "$@"; }; set -e; ${script}`;
  const ran = spawnSync("unshare", ["-m", "bash", "-c", command], { cwd, encoding: "utf8" });
  return { code: ran.status, stderr: ran.stderr };
}

describe("the place of a tree", () => {
  test("may have a name of the greatest length, with any characters", async () => {
    for (const name of ["x".repeat(255), "x".repeat(221), "é".repeat(127)]) {
      const work = join(await temporary(), name);
      const { rootfs } = await unpackLayers(work, [[{ name: "f", data: "x" }]]);
      expect(readFileSync(join(rootfs, "f"), "utf8")).toBe("x");
    }
    const work = await temporary();
    const location = await layoutOf(work, [{ name: "f", data: "x" }]);
    const target = join(work, "n".repeat(255));
    const ran = spawnSync(process.execPath, [main, "unpack", "--progress", "none", location, target], {
      encoding: "utf8",
    });
    expect(ran).toMatchObject({ status: 0, stderr: "" });
    expect(readdirSync(target)).toEqual(["f"]);
    expect(readdirSync(work).sort()).toEqual(["layout", "n".repeat(255)]);
  });

  ifRoot(`may be an empty directory of a user, in a directory of another user${why}`, async () => {
    const work = await temporary();
    const location = await layoutOf(work, [
      { name: ".", type: "directory", mode: 0o750, mtime: 5 },
      { name: "d/f", data: "x" },
    ]);
    chmodSync(work, 0o755);
    const app = await temporary();
    const packaged = join(main, "../../..");
    for (const path of ["dist", "package.json", "node_modules/@stricli"])
      spawnSync("cp", ["-a", "--parents", path, app], { cwd: packaged });
    chmodSync(app, 0o755);
    for (const [name, mode] of [
      ["plain", 0o755],
      ["sticky", 0o1777],
    ] as const) {
      const around = join(work, name);
      mkdirSync(join(around, "theirs"), { recursive: true });
      chmodSync(around, mode);
      chownSync(join(around, "theirs"), 65534, 65534);
      const args = [join(app, "dist/cli/main.js"), "unpack", "--progress", "none", location, join(around, "theirs")];
      const ran = spawnSync(process.execPath, args, { uid: 65534, gid: 65534, encoding: "utf8" });
      expect([name, ran.status, ran.stderr]).toEqual([name, 0, ""]);
      expect(readdirSync(around)).toEqual(["theirs"]);
      expect(readdirSync(join(around, "theirs"))).toEqual(["d"]);
      const { mode: found, mtimeMs } = statSync(join(around, "theirs"));
      expect([found & 0o7777, mtimeMs]).toEqual([0o750, 5000]);
    }
  });

  ifRoot(`may be a mount point, also of the same file system${why}`, async () => {
    const work = await temporary();
    await layoutOf(work, [{ name: "f", data: "x" }]);
    const script = `mkdir bind back tmpfs; mount --bind back bind; mount -t tmpfs none tmpfs
      for at in bind tmpfs; do gantry unpack --progress none oci:layout:v1 $at; ls -A $at; done; test -f back/f; test -f tmpfs/f`;
    expect(mounted(work, script)).toEqual({ code: 0, stderr: "" });
    expect(readdirSync(join(work, "back"))).toEqual(["f"]);
  });

  ifRoot(`that is read-only, full or without inodes gives an error that says which${why}`, async () => {
    const work = await temporary();
    const files = Array.from({ length: 200 }, (_, at) => ({ name: `f${at}`, data: "x".repeat(20_000) }));
    await layoutOf(work, files);
    const failing = (options: string, target = "m/rootfs"): string => {
      const script = `mkdir -p m; mount -t tmpfs ${options} none m; ${options.includes("ro") ? "mount -o remount,ro m;" : ""}
        code=0; gantry unpack --progress none oci:layout:v1 ${target} || code=$?; ls -A m >&2; exit $code`;
      const ran = mounted(work, script);
      expect(ran.code).toBe(1);
      return ran.stderr;
    };
    const readOnly = failing("-o ro");
    expect(readOnly).toContain("the file system is read-only");
    expect(readOnly).not.toContain("free some space");
    expect(failing("-o ro", "m/a/b/rootfs")).toContain("the file system is read-only");
    expect(failing("-o ro", "m")).toContain("the file system is read-only");
    const full = failing("-o size=1m");
    expect(full).toMatch(/no space left, [^,]* free; free some space/);
    expect(full).toContain(`${work}/m/rootfs`);
    expect(full).not.toContain("/proc/self/fd");
    expect(failing("-o nr_inodes=50")).toMatch(/no inodes left/);
    // The staging directory was removed.
    expect(full.trim().split("\n").length).toBe(1);
  });

  ifRoot(`that cannot store an attribute gives an error that says so, not that the disk is full${why}`, async () => {
    const work = await temporary();
    await layoutOf(work, [{ name: "f", data: "x", xattrs: { "user.large": Buffer.alloc(70_000, 1) } }]);
    const ran = mounted(work, "gantry unpack --progress none oci:layout:v1 rootfs");
    expect(ran.code).toBe(1);
    expect(ran.stderr).toMatch(/user\.large has 70000 bytes, which is more than this file system can keep/);
    expect(readdirSync(work)).toEqual(["layout"]);
  });
});
