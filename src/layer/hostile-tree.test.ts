import { spawn } from "node:child_process";
import fs, {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { join } from "node:path";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { gantry, main, missing } from "../../test/support/peers.ts";
import { temporary } from "../../test/support/temporary.ts";
import { readTree } from "../../test/support/tree.ts";
import { unpackLayers } from "../../test/support/unpack.ts";
import { defaultLimits } from "../base/limits.ts";
import { LayoutRegistry } from "../registry/index.ts";
import { native } from "../sys/native.ts";
import { temporaryName } from "../sys/process-owner.ts";
import type { TarEntry } from "../tar/index.ts";
import { pushImage, rejects, seededBytes, testImage, testLayer } from "../testing/index.ts";

const root = missing({ root: true, programs: ["getfattr", "setpriv"] });
const ifRoot = test.skipIf(root);
const why = root ? ` (${root})` : "";

type Layers = readonly (readonly TarEntry[])[];

/** The paths of a tree with their types, or for files with their content. Links are not followed. */
async function paths(layers: Layers): Promise<Record<string, string>> {
  const { rootfs } = await unpackLayers(await temporary(), layers);
  const found: Record<string, string> = {};
  const visit = (path: string): void => {
    for (const entry of readdirSync(join(rootfs, path), { withFileTypes: true })) {
      const below = join(path, entry.name);
      found[below] = entry.isFile() ? readFileSync(join(rootfs, below), "utf8") : entry.isDirectory() ? "/" : "@";
      if (entry.isDirectory()) visit(below);
    }
  };
  visit("");
  return found;
}

async function tree(layers: Layers): Promise<Record<string, unknown>> {
  return Object.fromEntries(readTree((await unpackLayers(await temporary(), layers)).rootfs));
}

/** A layout with one image called `v1`. */
async function layoutOf(work: string, layers: readonly (readonly TarEntry[])[]): Promise<string> {
  const layout = new LayoutRegistry(join(work, "layout"), { create: true });
  await pushImage(layout, layout.defaultRepository, testImage(layers.map((layer) => testLayer(layer))), "v1");
  await layout.close();
  return `oci:${work}/layout:v1`;
}

/** Counts the calls of a function of node:fs in this process. */
function counted(name: "readdirSync" | "mkdirSync"): () => number {
  const spy = vi.spyOn(fs, name);
  syncBuiltinESMExports();
  onTestFinished(() => {
    spy.mockRestore();
    syncBuiltinESMExports();
  });
  return () => spy.mock.calls.length;
}

/** An access list as the kernel stores it: the version, then tag, permissions and id of each entry. */
function acl(...entries: readonly [tag: number, permissions: number, id: number][]): Buffer {
  const bytes = Buffer.alloc(4 + 8 * entries.length);
  bytes.writeUInt32LE(2, 0);
  for (const [at, [tag, permissions, id]] of entries.entries()) {
    bytes.writeUInt16LE(tag, 4 + 8 * at);
    bytes.writeUInt16LE(permissions, 6 + 8 * at);
    bytes.writeUInt32LE(id, 8 + 8 * at);
  }
  return bytes;
}
const NO_ID = 0xffff_ffff;

describe("hostile trees", () => {
  test("T17 directories that no entry describes count as entries, and all directories are bounded", async () => {
    const deep = (name: string): TarEntry => ({ name: `${name}/${"d/".repeat(240)}f` });
    const layer = Array.from({ length: 20 }, (_, at) => deep(`top${at}`));
    const made = counted("mkdirSync");
    const limits = { ...defaultLimits, entries: 2500 };
    const work = await temporary();
    await rejects(unpackLayers(work, [layer], { limits }), "LIMIT_EXCEEDED");
    expect(made()).toBeLessThan(2600);
    expect(readdirSync(work)).toEqual([]);
    const { report } = await unpackLayers(work, [layer.slice(0, 2)], { limits });
    expect(report.entries).toBe(2 * 242);
    const few = { ...defaultLimits, directories: 500 };
    await rejects(unpackLayers(await temporary(), [layer], { limits: few }), "LIMIT_EXCEEDED");
    // Only directories that exist at the same time count.
    const flapping = Array.from({ length: 20 }, () => [deep("a"), { name: "a", data: "file" }]).flat();
    await unpackLayers(await temporary(), [flapping], { limits: few });
    // A link does not lead deeper than the limit.
    const down: TarEntry[] = [
      { name: `${"d/".repeat(200)}f` },
      { name: "l", type: "symlink", linkname: "d/".repeat(200) },
      { name: `l/${"e/".repeat(100)}f` },
    ];
    await rejects(unpackLayers(await temporary(), [down]), "LIMIT_EXCEEDED");
  });

  ifRoot(`T18 the owner of the directory around a tree cannot redirect what root writes${why}`, async () => {
    const work = await temporary();
    const parent = join(work, "theirs");
    mkdirSync(parent);
    chownSync(parent, 65534, 65534);
    mkdirSync(join(work, "outside"));
    writeFileSync(join(work, "outside/witness"), "untouched", { mode: 0o640 });
    let turned = 0;
    const turn = (): void => {
      for (const name of readdirSync(parent).filter((entry) => /^\.rootfs\.gantry-/.test(entry))) {
        if (lstatSync(join(parent, name)).isSymbolicLink()) continue;
        renameSync(join(parent, name), join(parent, `moved${turned}`));
        symlinkSync(join(work, "outside"), join(parent, name));
        turned += 1;
      }
    };
    const entries: TarEntry[] = Array.from({ length: 4000 }, (_, at) => ({ name: `d${at % 50}/f${at}`, data: "x" }));
    await unpackLayers(parent, [entries], { progress: turn });
    expect(turned).toBe(1);
    expect(readdirSync(join(work, "outside"))).toEqual(["witness"]);
    expect((readdirSync(join(parent, "rootfs"), { recursive: true }) as string[]).length).toBe(4050);
    // The moved directory is empty.
    expect(readdirSync(join(parent, "moved0"))).toEqual([]);

    // A link that replaces the complete tree does not get its mode and owner.
    const again = join(work, "again");
    mkdirSync(again);
    chownSync(again, 65534, 65534);
    const { rename } = fs.promises;
    const spy = vi.spyOn(fs.promises, "rename").mockImplementation(async (from, to) => {
      await rename(from, to);
      if (!String(to).endsWith("/rootfs")) return;
      renameSync(join(again, "rootfs"), join(again, "whole"));
      symlinkSync(join(work, "outside/witness"), join(again, "rootfs"));
    });
    syncBuiltinESMExports();
    try {
      const layer: TarEntry[] = [{ name: ".", type: "directory", mode: 0o4777, uid: 12, gid: 13 }, { name: "f" }];
      await unpackLayers(again, [layer]);
      expect(spy).toHaveBeenCalled();
    } finally {
      spy.mockRestore();
      syncBuiltinESMExports();
    }
    const witness = statSync(join(work, "outside/witness"));
    expect([witness.mode & 0o7777, witness.uid, witness.gid]).toEqual([0o640, 0, 0]);
    const whole = statSync(join(again, "whole"));
    expect([whole.mode & 0o7777, whole.uid, whole.gid]).toEqual([0o4777, 12, 13]);
  });

  test("T19 a whiteout creates nothing and restores nothing", async () => {
    const lower: TarEntry[] = [
      { name: "f", data: "file" },
      { name: "c/x", data: "x" },
      { name: "tofile", type: "symlink", linkname: "f" },
      { name: "dangling", type: "symlink", linkname: "nowhere" },
      { name: "todirectory", type: "symlink", linkname: "c" },
    ];
    const all = { f: "file", c: "/", "c/x": "x", tofile: "@", dangling: "@", todirectory: "@" };
    const { "c/x": _x, ...withoutX } = all;
    const { c: _c, ...withoutC } = withoutX;
    const rows: readonly [names: readonly string[], expected: Record<string, string>][] = [
      [["f/.wh.x"], all],
      [["f/.wh..wh..opq"], all],
      [["tofile/.wh.x", "dangling/.wh.x", "dangling/.wh..wh..opq"], all],
      [["absent/.wh.x", "absent/deep/.wh..wh..opq"], all],
      [[".wh.absent"], all],
      [[".wh.c", "c/.wh.x"], withoutC],
      [["c/.wh.x", ".wh.c"], withoutC],
      [[".wh.c", "c/.wh..wh..opq"], withoutC],
      [["todirectory/.wh.x"], withoutX],
    ];
    for (const [names, expected] of rows) {
      expect([names, await paths([lower, names.map((name) => ({ name }))])]).toEqual([names, expected]);
    }
    // The first layer has nothing to hide, and its whiteouts create nothing.
    expect(await paths([[{ name: "a/.wh.x" }, { name: "b/.wh..wh..opq" }, { name: "f", data: "1" }]])).toEqual({
      f: "1",
    });
  });

  ifRoot(`T20 a whiteout before or after the new content of its directory gives one tree${why}`, async () => {
    const lower: TarEntry[] = [
      { name: "d", type: "directory", mode: 0o700, uid: 5, gid: 6, mtime: 77, xattrs: { "user.lower": "1" } },
      { name: "d/old", data: "old" },
      { name: "d/sub", type: "directory", mode: 0o711, uid: 7, xattrs: { "user.sub": "1" } },
      { name: "d/sub/old", data: "old" },
    ];
    const content: TarEntry[] = [
      { name: "d/new", data: "new" },
      { name: "d/sub/new", data: "new" },
    ];
    const whiteout: TarEntry = { name: ".wh.d" };
    const before = await tree([lower, [whiteout, ...content]]);
    expect(await tree([lower, [...content, whiteout]])).toEqual(before);
    expect(await tree([lower, [content[0]!, whiteout, content[1]!]])).toEqual(before);
    expect(Object.keys(before).sort()).toEqual([".", "d", "d/new", "d/sub", "d/sub/new"]);
    // A directory that no entry of the layer describes is new: it keeps nothing of the hidden one.
    for (const path of ["d", "d/sub"])
      expect(before[path]).toEqual({ type: "directory", mode: "755", owner: "0:0", mtime: "0" });

    const declared: TarEntry = { name: "d", type: "directory", mode: 0o750, uid: 9, xattrs: { "user.upper": "2" } };
    const kept = await tree([lower, [whiteout, declared, ...content]]);
    expect(kept["d"]).toMatchObject({ mode: "750", owner: "9:0", xattrs: "user.upper=0x32" });
    for (const order of [
      [declared, whiteout, ...content],
      [declared, ...content, whiteout],
      [content[1]!, declared, content[0]!, whiteout],
    ])
      expect(await tree([lower, order])).toEqual(kept);

    // An opaque mark hides the entries of the directory, not the directory.
    const opaque: TarEntry = { name: "d/.wh..wh..opq" };
    const cleared = await tree([lower, [opaque, ...content]]);
    expect(await tree([lower, [...content, opaque]])).toEqual(cleared);
    expect(cleared["d"]).toMatchObject({ mode: "700", owner: "5:6" });
    expect(cleared["d/sub"]).toEqual({ type: "directory", mode: "755", owner: "0:0", mtime: "0" });
    expect(await tree([lower, [opaque, ...content, whiteout]])).toEqual(before);

    const bookkeeping = [".wh..wh.plnk/x", ".wh..wh.aufs", "d/.wh..wh.orph/y/z"].map((name) => ({ name }));
    expect(await tree([lower, bookkeeping])).toEqual(await tree([lower]));
    expect(await tree([bookkeeping])).toEqual({ ".": expect.anything() });
  });

  ifRoot(
    `T21 a tree inherits no owner, group or access list from the directory that it is unpacked in${why}`,
    async () => {
      const entries: TarEntry[] = [
        { name: "d/sub", type: "directory", mode: 0o2750, uid: 1, gid: 2 },
        { name: "d/file", data: "x" },
        { name: "d/sub/fifo", type: "fifo" },
        { name: "d/link", type: "symlink", linkname: "file" },
        { name: "d/sub/owned", data: "x", uid: 3, gid: 7 },
        { name: "plain", type: "directory", mode: 0o755 },
      ];
      const expected = await tree([entries]);
      const work = await temporary();
      const location = await layoutOf(work, [entries]);
      const unpacked = async (
        name: string,
        prepare: (parent: string) => void,
        prefix: string[] = [],
      ): Promise<void> => {
        const parent = join(work, name);
        mkdirSync(parent);
        prepare(parent);
        const command = [...prefix, process.execPath, main, "unpack", "--progress", "none", location];
        const child = spawn(command[0]!, [...command.slice(1), join(parent, "rootfs")], { stdio: "inherit" });
        expect(await new Promise((resolve) => child.once("exit", resolve))).toBe(0);
        expect([name, Object.fromEntries(readTree(join(parent, "rootfs")))]).toEqual([name, expected]);
      };
      const list = acl([1, 7, NO_ID], [2, 7, 1000], [4, 5, NO_ID], [0x10, 7, NO_ID], [0x20, 5, NO_ID]);
      const minimal = acl([1, 7, NO_ID], [4, 5, NO_ID], [0x20, 5, NO_ID]);
      const inherit = (value: Buffer) => (parent: string) =>
        native().lsetxattr(parent, "system.posix_acl_default", value);
      const setgid = (parent: string): void => {
        chownSync(parent, 0, 7);
        chmodSync(parent, 0o2755);
      };
      await unpacked("setgid", setgid);
      await unpacked("egid", () => {}, ["setpriv", "--regid=7", "--clear-groups"]);
      await unpacked("both", setgid, ["setpriv", "--regid=9", "--clear-groups"]);
      await unpacked("acl", inherit(list));
      await unpacked("minimal-acl", inherit(minimal));
      await unpacked("acl-inside", (parent) => {
        inherit(list)(parent);
        mkdirSync(join(parent, "rootfs"));
      });
    },
  );

  test("T22 a directory is cleared once, replaced directories are counted, and an abort stops small files", async () => {
    const files = Array.from({ length: 300 }, (_, at) => ({ name: `d/s/f${at}`, data: "" }));
    const marks = Array.from({ length: 300 }, () => ["d/.wh..wh..opq", ".wh.d", ".wh..wh..opq"]).flat();
    const mixed = files.flatMap((file, at) => [file, ...marks.slice(3 * at, 3 * at + 3).map((name) => ({ name }))]);
    const read = counted("readdirSync");
    const work = await temporary();
    const { rootfs } = await unpackLayers(work, [[{ name: "d/old" }, { name: "other/old" }], mixed]);
    // The root, `d` and `d/s` once each, and the removed directories; not once for each of 900 marks.
    expect(read()).toBeLessThan(20);
    expect((readdirSync(rootfs, { recursive: true }) as string[]).length).toBe(302);

    const flap = Array.from({ length: 50 }, () => [{ name: `a/${"d/".repeat(199)}f` }, { name: "a" }]).flat();
    const limits = { ...defaultLimits, entries: 5_000 };
    await rejects(unpackLayers(await temporary(), [flap], { limits }), "LIMIT_EXCEEDED");

    const small = Array.from({ length: 60_000 }, (_, at) => ({ name: `d${at % 100}/f${at}` }));
    const stop = new AbortController();
    let last = 0;
    const progress = (event: { readonly type: string; readonly done?: number }): void => {
      if (event.type !== "advance") return;
      // Other tasks of the thread, such as this abort, get a turn long before all files are created.
      if (last === 0) setImmediate(() => stop.abort(new Error("stopped")));
      last = event.done ?? 0;
    };
    const stopped = await temporary();
    await expect(unpackLayers(stopped, [small], { progress, signal: stop.signal })).rejects.toThrow("stopped");
    expect(last).toBeLessThan((60_000 * 512) / 2);
    expect(readdirSync(stopped)).toEqual([]);
  });

  ifRoot(`T23 layers are opened one by one, and a device 0:0 gives a warning${why}`, async () => {
    const work = await temporary();
    const layers = Array.from({ length: 600 }, (_, at) => [{ name: `f${at}`, data: seededBytes(8_000, at + 1) }]);
    const location = await layoutOf(work, layers);
    const rootfs = join(work, "rootfs");
    const script = `ulimit -n 64; exec "$0" "$@"`;
    const args = ["-c", script, process.execPath, main, "unpack", "--progress", "none", location, rootfs];
    const child = spawn("bash", args, { stdio: "inherit" });
    expect(await new Promise((resolve) => child.once("exit", resolve))).toBe(0);
    expect(readdirSync(rootfs).length).toBe(600);

    const { report } = await unpackLayers(await temporary(), [[{ name: "w", type: "char", major: 0, minor: 0 }]]);
    expect(report.warnings.join("\n")).toContain("whiteout");
  });

  test("S2 the next process removes the files of killed ones, and none that is in use", async () => {
    const work = await temporary();
    const location = await layoutOf(work, [
      [
        { name: "closed", type: "directory", mode: 0o000 },
        { name: "closed/file", data: "x" },
        ...Array.from({ length: 3000 }, (_, at) => ({ name: `d/f${at}`, data: "x" })),
      ],
    ]);
    const out = join(work, "out");
    mkdirSync(out);
    const left = (): string[] => readdirSync(out).filter((name) => name.startsWith(".rootfs.gantry-"));
    for (let kills = 0; kills < 3; kills += 1) {
      const before = left();
      const child = spawn(process.execPath, [main, "unpack", "--progress", "none", location, join(out, "rootfs")]);
      const exited = new Promise((resolve) => child.once("exit", resolve));
      const watch = setInterval(() => {
        if (left().some((name) => !before.includes(name))) child.kill("SIGKILL");
      }, 1);
      await exited;
      clearInterval(watch);
      // The process may have finished before it was killed.
      fs.rmSync(join(out, "rootfs"), { recursive: true, force: true });
    }
    // Files of a dead process of this host, in case those above were removed already.
    const [prefix, host, boot, namespace, pid, start, random] = temporaryName("rootfs", { hidden: true }).split("-");
    const dead = [prefix, host, boot, namespace, pid, `${start}0`, random].join("-");
    mkdirSync(join(out, dead, "rootfs/d"), { recursive: true });
    chmodSync(join(out, dead), 0o700);
    const foreign = dead.replace(/.$/, "0").replace(/rootfs/, "other");
    mkdirSync(join(out, foreign, "precious"), { recursive: true });
    chmodSync(join(out, foreign), 0o700);
    const alive = temporaryName("rootfs", { hidden: true });
    mkdirSync(join(out, alive, "rootfs"), { recursive: true });
    chmodSync(join(out, alive), 0o700);
    symlinkSync(work, join(out, dead.replace(/.$/, "1")));

    expect(await gantry(["unpack", "--progress", "none", location, join(out, "rootfs")])).toMatchObject({ code: 0 });
    expect(existsSync(join(out, "rootfs/d/f0"))).toBe(true);
    expect(existsSync(join(work, "layout"))).toBe(true);
    const kept = ["rootfs", alive, foreign, dead.replace(/.$/, "1")].sort();
    expect(readdirSync(out).sort()).toEqual(kept);
  });
});
