import { execFileSync } from "node:child_process";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { gantry, missing } from "../../test/support/peers.ts";
import { temporary } from "../../test/support/temporary.ts";
import { unpackLayers } from "../../test/support/unpack.ts";
import type { ErrorCode } from "../base/codes.ts";
import { defaultLimits } from "../base/limits.ts";
import { LayoutRegistry } from "../registry/index.ts";
import { lookOnDisk, resolveInRoot } from "../sys/resolve.ts";
import type { TarEntry } from "../tar/index.ts";
import { pushImage, rejects, testImage, testLayer } from "../testing/index.ts";

const root = missing({ root: true });
const ifRoot = test.skipIf(root);
const why = root ? ` (${root})` : "";

/** Unpacks into a directory with a witness file beside it, and asserts that the witness is unchanged. */
async function contained(
  layers: readonly (readonly TarEntry[])[],
  check: (rootfs: string, work: string) => void,
): Promise<void> {
  const work = await temporary();
  writeFileSync(join(work, "witness"), "untouched");
  mkdirSync(join(work, "outside"));
  writeFileSync(join(work, "outside/file"), "untouched");
  utimesSync(join(work, "outside/file"), 1, 1);
  const { rootfs } = await unpackLayers(work, layers);
  check(rootfs, work);
  expect(readdirSync(work).sort()).toEqual(["outside", "rootfs", "witness"]);
  expect(readFileSync(join(work, "witness"), "utf8")).toBe("untouched");
  expect(readdirSync(join(work, "outside"))).toEqual(["file"]);
  expect(readFileSync(join(work, "outside/file"), "utf8")).toBe("untouched");
  expect(statSync(join(work, "outside/file")).mtimeMs).toBe(1000);
}

/** Asserts that the layers are refused and that no file is left. */
async function refused(
  layers: readonly (readonly TarEntry[] | Buffer)[],
  code: ErrorCode,
  options = {},
): Promise<void> {
  const work = await temporary();
  await rejects(unpackLayers(work, layers, options), code);
  expect(readdirSync(work)).toEqual([]);
}

const text = (rootfs: string, path: string): string => readFileSync(join(rootfs, path), "utf8");

describe("hostile layers", () => {
  test("T1 names that point outside stay inside, and odd legal names work", async () => {
    const odd = ["back\\slash", "C:drive", "sp ace", "new\nline", "-dash", "..dots", "é", "*"];
    await contained(
      [
        [
          { name: "../../witness", data: "in" },
          { name: "/outside/file", data: "in" },
          { name: "a/../../../outside/second", data: "in" },
          { name: "./", type: "directory", mode: 0o755 },
          { name: "x//y/./z", data: "in" },
          ...odd.map((name) => ({ name, data: "odd" })),
        ],
      ],
      (rootfs) => {
        expect(readdirSync(rootfs).sort()).toEqual(["outside", "witness", "x", ...odd].sort());
        expect(readdirSync(join(rootfs, "outside")).sort()).toEqual(["file", "second"]);
        expect(text(rootfs, "x/y/z")).toBe("in");
      },
    );
    await refused([[{ name: "", data: "x" }]], "INVALID_LAYER");
    await refused([[{ name: "n".repeat(256), data: "x" }]], "FILE_SYSTEM");
  });

  test("T2 the root can only be a directory", async () => {
    for (const type of ["symlink", "file", "hardlink", "fifo"] as const) {
      for (const name of ["/", ".", "./.", "a/.."])
        await refused([[{ name, type, linkname: "/etc" }]], "INVALID_LAYER");
    }
  });

  test("T3 nothing is written, linked, changed or removed through a link that leads out", async () => {
    const outside = "../outside";
    await contained(
      [
        [
          { name: "link", type: "symlink", linkname: outside },
          { name: "link/file", data: "in" },
          { name: "absolute", type: "symlink", linkname: "/outside" },
          { name: "absolute/new", data: "in" },
          { name: "tofile", type: "symlink", linkname: "../outside/file" },
          { name: "tofile", data: "replaced" },
          { name: "chain1", type: "symlink", linkname: "chain2" },
          { name: "chain2", type: "symlink", linkname: "../../../outside" },
          { name: "chain1/deep/file", data: "in" },
        ],
        [
          { name: "link/.wh.file" },
          { name: "absolute/.wh..wh..opq" },
          { name: "link2", type: "symlink", linkname: "../../outside" },
          { name: "link2/mode", type: "directory", mode: 0o700 },
          { name: "target", type: "symlink", linkname: "../outside/file" },
          // The hard link links the symbolic link itself, and the file replaces it without following it.
          { name: "hard", type: "hardlink", linkname: "target" },
          { name: "hard", data: "replaced" },
        ],
      ],
      (rootfs) => {
        // `..` stops at the root: all entries and whiteouts acted on /outside inside the image.
        expect(readdirSync(join(rootfs, "outside")).sort()).toEqual(["mode"]);
        expect(text(rootfs, "tofile")).toBe("replaced");
        expect(text(rootfs, "hard")).toBe("replaced");
        expect(readlinkSync(join(rootfs, "target"))).toBe("../outside/file");
      },
    );
    await refused([[{ name: "h", type: "hardlink", linkname: "../outside/file" }]], "INVALID_LAYER");
    await refused(
      [
        [
          { name: "d", type: "directory" },
          { name: "h", type: "hardlink", linkname: "d" },
        ],
      ],
      "INVALID_LAYER",
    );
  });

  test("T4 a name from an annotation is resolved inside its directory, through existing links", async () => {
    const work = await temporary();
    mkdirSync(join(work, "target/real"), { recursive: true });
    symlinkSync("/etc", join(work, "target/absolute"));
    symlinkSync("../../..", join(work, "target/up"));
    symlinkSync("real", join(work, "target/inner"));
    const resolve = (path: string): string => resolveInRoot(path, lookOnDisk(join(work, "target")));
    expect(resolve("absolute/passwd")).toBe("etc/passwd");
    expect(resolve("up/passwd")).toBe("passwd");
    expect(resolve("../../../passwd")).toBe("passwd");
    expect(resolve("inner/file")).toBe("real/file");
    expect(resolve("/up/absolute/../x")).toBe("x");
  });

  test("T5 the tree is built where no other user can enter, and appears at once when it is complete", async () => {
    const work = await temporary();
    const seen: { name: string; mode: number }[] = [];
    const watch = (): void => {
      for (const name of readdirSync(work)) seen.push({ name, mode: lstatSync(join(work, name)).mode & 0o777 });
    };
    await unpackLayers(
      work,
      [
        [
          { name: "a", data: "x".repeat(3 << 20) },
          { name: "b", data: "y" },
        ],
      ],
      { progress: watch },
    );
    const staging = seen.filter(({ name }) => name !== "rootfs");
    expect(staging.length).toBeGreaterThan(0);
    for (const { name, mode } of staging) {
      expect(name).toMatch(/^\.rootfs\.gantry-/);
      expect(mode).toBe(0o700);
    }
    expect(readdirSync(work)).toEqual(["rootfs"]);
    await rejects(unpackLayers(work, [[{ name: "a" }]]), "TARGET_NOT_EMPTY");
  });

  test("T6 a directory that was replaced is no longer treated as one", async () => {
    await contained(
      [
        [
          { name: "d/sub", type: "directory" },
          { name: "d/sub/file", data: "1" },
          { name: "d", type: "symlink", linkname: "../outside" },
          { name: "d/sub/file", data: "2" },
          { name: "D", type: "directory" },
          { name: "caf\u00e9", type: "directory" },
          { name: "cafe\u0301", type: "symlink", linkname: "/outside" },
          { name: "caf\u00e9/file", data: "3" },
        ],
      ],
      (rootfs) => {
        expect(lstatSync(join(rootfs, "d")).isSymbolicLink()).toBe(true);
        expect(text(rootfs, "outside/sub/file")).toBe("2");
        expect(text(rootfs, "caf\u00e9/file")).toBe("3");
      },
    );
  });

  test("T9 bombs stop at a limit that the error names", async () => {
    const limits = { ...defaultLimits, ratioFloorBytes: 1 << 20, unpackedBytes: 40 << 20, entries: 50, pathDepth: 20 };
    const zeros = [{ name: "zeros", data: Buffer.alloc(8 << 20) }];
    await refused([zeros], "LIMIT_EXCEEDED", { limits });
    const roomy = { ...limits, ratio: 1e9 };
    const many = Array.from({ length: 6 }, (_, at) => [{ name: `z${at}`, data: Buffer.alloc(8 << 20) }]);
    await refused(many, "LIMIT_EXCEEDED", { limits: roomy });
    await refused([Array.from({ length: 60 }, (_, at) => ({ name: `e${at}` }))], "LIMIT_EXCEEDED", { limits: roomy });
    await refused([[{ name: "d/".repeat(30), type: "directory" }]], "LIMIT_EXCEEDED", { limits: roomy });
    const work = await temporary();
    const layer = testLayer(zeros);
    const bomb = gzipSync(Buffer.alloc(4 << 20));
    const members = Buffer.concat(Array.from({ length: 40 }, () => bomb));
    const layout = new LayoutRegistry(join(work, "layout"), { create: true });
    const { diffID } = layer;
    const image = testImage([
      {
        bytes: members,
        diffID,
        descriptor: {
          ...layer.descriptor,
          ...testLayer(members, { gzip: false }).descriptor,
          mediaType: layer.descriptor.mediaType,
        },
      },
    ]);
    await pushImage(layout, layout.defaultRepository, image, "v1");
    await layout.close();
    const ran = await gantry([
      "unpack",
      "--progress",
      "none",
      "--limit",
      "unpackedBytes=32MiB",
      `oci:${work}/layout:v1`,
      join(work, "rootfs"),
    ]);
    expect(ran.stderr).toMatch(/ratio|unpackedBytes/);
    expect(ran.stderr).toContain("--limit");
    expect(ran.code).toBe(6);
    expect(readdirSync(work)).toEqual(["layout"]);
  });

  test("T10 links that lead in circles end after 40 hops", async () => {
    const loop: TarEntry[] = [
      { name: "a", type: "symlink", linkname: "b" },
      { name: "b", type: "symlink", linkname: "a" },
    ];
    await refused([[...loop, { name: "a/file", data: "x" }]], "LINK_LOOP");
    await refused([[...loop, { name: "h", type: "hardlink", linkname: "a/file" }]], "LINK_LOOP");
    const chain = (length: number): TarEntry[] =>
      Array.from({ length }, (_, at) => ({
        name: `l${at}`,
        type: "symlink" as const,
        linkname: at === length - 1 ? "end" : `l${at + 1}`,
      }));
    const work = await temporary();
    const { rootfs } = await unpackLayers(work, [[...chain(40), { name: "l0/file", data: "x" }]]);
    expect(text(rootfs, "end/file")).toBe("x");
    await refused([[...chain(41), { name: "l0/file", data: "x" }]], "LINK_LOOP");
  });

  test.skipIf(root)(`T11 whiteouts hide what overlayfs hides, and nothing else${why}`, async () => {
    for (const name of [".wh.", ".wh..", ".wh...", "d/.wh.", "d/.wh.."])
      await refused([[{ name: "f" }], [{ name }]], "INVALID_LAYER");
    const lower: TarEntry[] = [
      { name: "gone", data: "1" },
      { name: "dir/a", data: "1" },
      { name: "dir/sub/b", data: "1" },
      { name: "opaque/a", data: "1" },
      { name: "opaque/sub/b", data: "1" },
      { name: "replaced/a", data: "1" },
      { name: "real/file", data: "1" },
      { name: "link", type: "symlink", linkname: "real" },
      { name: "kept", data: "1" },
    ];
    const upper: TarEntry[] = [
      { name: ".wh.gone" },
      { name: "dir/sub", type: "directory" },
      { name: "dir/sub/.wh.b" },
      // The opaque mark comes after its siblings, and spares them.
      { name: "opaque", type: "directory" },
      { name: "opaque/new", data: "2" },
      { name: "opaque/sub", type: "directory" },
      { name: "opaque/sub/new", data: "2" },
      { name: "opaque/.wh..wh..opq" },
      // The directory is new in this layer and its old content is hidden, whatever the order of the entries.
      { name: "replaced", type: "directory" },
      { name: "replaced/new", data: "2" },
      { name: ".wh.replaced" },
      // The link is hidden, not its target.
      { name: ".wh.link" },
      { name: ".wh..wh.plnk", type: "directory" },
      { name: ".wh..wh.aufs", data: "metadata" },
      { name: "kept.wh.name", data: "2" },
    ];
    const work = await temporary();
    const { rootfs } = await unpackLayers(work, [lower, upper]);
    const tree = (from: string): string[] => (readdirSync(from, { recursive: true }) as string[]).sort();
    // The reference is the kernel's overlayfs over the same two layers, with its own whiteouts in the upper one.
    const overlay = join(work, "overlay");
    const script = `
      set -e; mount -t tmpfs none .; cd "$PWD"; mkdir l u w m; cd l
      mkdir -p dir/sub opaque/sub replaced real; echo 1 >gone; echo 1 >dir/a; echo 1 >dir/sub/b; echo 1 >opaque/a; echo 1 >opaque/sub/b
      echo 1 >replaced/a; echo 1 >real/file; ln -s real link; echo 1 >kept; cd ../u
      mknod gone c 0 0; mkdir -p dir/sub opaque/sub replaced; mknod dir/sub/b c 0 0; mknod link c 0 0
      echo 2 >opaque/new; echo 2 >opaque/sub/new; setfattr -n trusted.overlay.opaque -v y opaque
      echo 2 >replaced/new; setfattr -n trusted.overlay.opaque -v y replaced; echo 2 >kept.wh.name; cd ..
      mount -t overlay overlay -o lowerdir=l,upperdir=u,workdir=w m; cd m; find . -mindepth 1 -printf '%P\\n' | sort`;
    mkdirSync(overlay);
    const judged = execFileSync("unshare", ["-m", "bash", "-c", script], { cwd: overlay, encoding: "utf8" })
      .trim()
      .split("\n");
    expect(tree(rootfs)).toEqual(judged.sort());
    // A hard link cannot bring back an entry that a whiteout hid.
    await refused(
      [[{ name: "f", data: "1" }], [{ name: ".wh.f" }, { name: "h", type: "hardlink", linkname: "f" }]],
      "INVALID_LAYER",
    );
  });

  ifRoot(`T12 devices beyond the kernel's numbers are refused, and special files are never opened${why}`, async () => {
    await refused([[{ name: "d", type: "char", major: 4096, minor: 0 }]], "INVALID_LAYER");
    await refused([[{ name: "d", type: "block", major: 1, minor: 1 << 20 }]], "INVALID_LAYER");
    const work = await temporary();
    const { rootfs } = await unpackLayers(work, [
      [
        { name: "fifo", type: "fifo", mode: 0o620 },
        { name: "null", type: "char", major: 1, minor: 3, mode: 0o666, uid: 5, gid: 6 },
        { name: "suid", data: "x", mode: 0o6755, uid: 7, gid: 8 },
      ],
      // A file that replaces a fifo must not be written into the fifo: without a reader that would hang.
      [{ name: "fifo", data: "file" }],
    ]);
    expect(text(rootfs, "fifo")).toBe("file");
    const device = statSync(join(rootfs, "null"));
    expect([device.isCharacterDevice(), device.rdev, device.mode & 0o7777, device.uid, device.gid]).toEqual([
      true,
      0x103,
      0o666,
      5,
      6,
    ]);
    const suid = statSync(join(rootfs, "suid"));
    expect([suid.mode & 0o7777, suid.uid, suid.gid]).toEqual([0o6755, 7, 8]);
  });

  ifRoot(`T13 attributes that would act on the host are left out with a warning${why}`, async () => {
    const work = await temporary();
    const capability = Buffer.from("0100000200040000000000000000000000000000", "hex");
    const { rootfs, report } = await unpackLayers(work, [
      [
        {
          name: "f",
          data: "x",
          uid: 3,
          xattrs: {
            "security.capability": capability,
            "trusted.overlay.opaque": "y",
            "user.overlay.redirect": "/etc",
            "security.selinux": "label",
            "user.bytes": Buffer.from([0, 255, 61, 10]),
          },
        },
        { name: "d", type: "directory", xattrs: { "trusted.overlay.redirect": "/", "user.one": "1" } },
      ],
      [{ name: "d", type: "directory", xattrs: { "user.two": "2" } }],
    ]);
    const attributes = (path: string): string =>
      execFileSync("getfattr", ["-d", "-m-", "-e", "hex", "--absolute-names", join(rootfs, path)], {
        encoding: "utf8",
      });
    expect(attributes("f").trim().split("\n").slice(1).sort()).toEqual([
      `security.capability=0x${capability.toString("hex")}`,
      "user.bytes=0x00ff3d0a",
    ]);
    expect(attributes("d").trim().split("\n").slice(1)).toEqual(["user.two=0x32"]);
    for (const name of ["trusted.overlay.opaque", "user.overlay.redirect", "security.selinux"]) {
      expect(report.warnings.join("\n")).toContain(name);
    }
  });

  test("T14 store and staging directory are closed to other users, and the tree has the mode of the image", async () => {
    const work = await temporary();
    const layout = new LayoutRegistry(join(work, "layout"), { create: true });
    const image = testImage([
      testLayer([
        { name: ".", type: "directory", mode: 0o751 },
        { name: "f", data: "x" },
      ]),
    ]);
    await pushImage(layout, layout.defaultRepository, image, "v1");
    await layout.close();
    const server = await (await import("../testing/index.ts")).startTestRegistry();
    await pushImage(server.registry, "app", image, "v1");
    const store = join(work, "store");
    const ran = await gantry([
      "unpack",
      "--progress",
      "none",
      "--store",
      store,
      `${server.host}/app:v1`,
      join(work, "rootfs"),
    ]);
    await server.close();
    expect(ran).toMatchObject({ code: 0 });
    for (const path of ["", "blobs", "blobs/sha256", "layers", "leases"]) {
      expect([path, statSync(join(store, path)).mode & 0o777]).toEqual([path, 0o700]);
    }
    for (const blob of readdirSync(join(store, "blobs/sha256"))) {
      expect(statSync(join(store, "blobs/sha256", blob)).mode & 0o777).toBe(0o600);
    }
    expect(statSync(join(work, "rootfs")).mode & 0o7777).toBe(0o751);
    const { rootfs } = await unpackLayers(await temporary(), [[{ name: "f", data: "x" }]]);
    expect(statSync(rootfs).mode & 0o7777).toBe(0o755);
    expect(existsSync(join(rootfs, "f"))).toBe(true);
  });
});
