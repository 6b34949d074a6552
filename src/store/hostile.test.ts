import {
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { gantry } from "../../test/support/peers.ts";
import { temporary } from "../../test/support/temporary.ts";
import { bytesSource } from "../content/index.ts";
import { parseRepoName } from "../reference/index.ts";
import { mediaTypes } from "../spec/index.ts";
import {
  pushImage,
  randomImage,
  rejects,
  seededBytes,
  startTestRegistry,
  testBlob,
  testImage,
  testLayer,
} from "../testing/index.ts";
import { unpack } from "../verbs/index.ts";
import { Store } from "./index.ts";

describe("a hostile image in a store", () => {
  test("M10 only digests that we computed name anything: a claimed diffID or annotation poisons no later image", async () => {
    const work = await temporary();
    const store = new Store(join(work, "store"));
    const good = testLayer([{ name: "file", data: Buffer.from("good") }]);
    const evil = testLayer([{ name: "file", data: Buffer.from("evil") }]);
    // Bytes with another digest are not stored under the claimed one.
    const repo = parseRepoName("reg.example.org/app");
    const lie = { ...evil.descriptor, digest: good.descriptor.digest, size: evil.bytes.length };
    await rejects(store.registry.pushBlob(repo, lie, bytesSource(lie, evil.bytes)), "DIGEST_MISMATCH");
    expect(await store.blobs.has({ digest: good.descriptor.digest })).toBe(false);
    // An image whose config and annotations claim the diffID and digest of another layer.
    const claims = {
      "containerd.io/uncompressed": good.diffID,
      "io.github.containers.zstd-chunked.manifest-checksum": good.descriptor.digest,
      "containerd.io/snapshot/stargz/toc.digest": good.diffID,
    };
    const liar = testImage([{ ...evil, descriptor: { ...evil.descriptor, annotations: claims } }], {
      diffIDs: [good.diffID],
    });
    await pushImage(store.registry, repo, liar, "liar");
    await rejects(unpack("store:reg.example.org/app:liar", join(work, "liar"), { store }), "DIFF_ID_MISMATCH");
    expect(readdirSync(join(store.directory, "layers"))).toEqual([]);
    // The image with the claimed layer is not affected.
    await pushImage(store.registry, repo, testImage([good]), "good");
    await unpack("store:reg.example.org/app:good", join(work, "good"), { store });
    expect(readFileSync(join(work, "good/file"), "utf8")).toBe("good");
    // With a true diffID, false annotations have no effect.
    const honest = testImage([{ ...evil, descriptor: { ...evil.descriptor, annotations: claims } }]);
    await pushImage(store.registry, repo, honest, "honest");
    await unpack("store:reg.example.org/app:honest", join(work, "honest"), { store });
    expect(readFileSync(join(work, "honest/file"), "utf8")).toBe("evil");
    // A collection marks blobs by their digests, not by claims in annotations.
    const stray = testBlob(seededBytes(64, 8), mediaTypes.layer);
    await store.registry.pushBlob(repo, stray.descriptor, bytesSource(stray.descriptor, stray.bytes));
    await store.registry.release();
    expect((await store.gc()).blobs.map(({ digest }) => digest)).toEqual([stray.descriptor.digest]);
    await store.close();
  });
});

/** Every entry below a directory: its path, its times, and the bytes of a file. */
function listing(root: string, at = ""): string[] {
  return readdirSync(join(root, at), { withFileTypes: true }).flatMap((entry) => {
    const path = join(at, entry.name);
    const { mtimeMs, ctimeMs } = lstatSync(join(root, path));
    const line = `${path} ${mtimeMs} ${ctimeMs} ${entry.isFile() ? readFileSync(join(root, path), "hex") : ""}`;
    return entry.isDirectory() ? [line, ...listing(root, path)] : [line];
  });
}

test("S1 a symbolic link in place of a part of a store or layout is never written to or deleted through, by any command", async () => {
  const work = await temporary();
  await using server = await startTestRegistry();
  const image = randomImage({ seed: 1 });
  const name = `${server.host}/app:v1`;
  await pushImage(server.registry, "app", image, "v1");
  await pushImage(server.registry, "app", randomImage({ seed: 5 }), "v2");
  const pristine = join(work, "pristine");
  const run = (store: string, ...args: string[]) => gantry([...args, "--store", store]);
  expect(await run(pristine, "pull", "--progress", "none", name)).toMatchObject({ code: 0 });
  expect(await run(pristine, "cp", "--progress", "none", `store:${name}`, `oci:${pristine}-layout:v1`)).toMatchObject({
    code: 0,
  });
  // One of each thing that a command may remove: an expired lease, a layer and a blob that no name leads to, blobs that
  // a
  // collection put aside, a partial download.
  const put = (path: string, data: string | Uint8Array): void => {
    mkdirSync(dirname(join(pristine, path)), { recursive: true });
    writeFileSync(join(pristine, path), data);
    utimesSync(join(pristine, path), 1, 1);
  };
  const blob = testBlob(seededBytes(64, 8));
  const stray = blob.descriptor.digest.slice(7);
  put("leases/x.jsonl", '{"expires":"2000-01-01T00:00:00.000Z"}\n');
  put(`layers/sha256/${stray}/file`, "x");
  put(`trash/x/sha256/${stray}`, blob.bytes);
  put(`tmp/partial/sha256-${image.blobs[0]!.descriptor.digest.slice(7)}`, "x");
  put("cache/x", "x");

  const places: readonly (readonly [root: string, path: string])[] = [
    ...["leases", "trash", "trash/x", "trash/x/sha256", "blobs", "blobs/sha256", "layers", "layers/sha256"],
    ...["cache", "tmp", "tmp/partial", "index.json", "version.json", "names.db"],
  ].map((path) => ["store", path] as const);
  const layoutPlaces = ["tmp", "blobs", "blobs/sha256", "index.json"].map((path) => ["layout", path] as const);
  for (const [kind, path] of [...places, ...layoutPlaces]) {
    for (const dangling of [false, true]) {
      const root = join(work, "root");
      const [store, layout] = [join(root, "store"), join(root, "layout")];
      const outside = join(work, "outside");
      for (const old of [root, outside]) rmSync(old, { recursive: true, force: true });
      cpSync(pristine, store, { recursive: true });
      cpSync(`${pristine}-layout`, layout, { recursive: true });
      if (kind === "layout") mkdirSync(join(layout, "tmp"), { recursive: true });
      mkdirSync(outside);
      const place = join(root, kind, path);
      renameSync(place, join(outside, "target"));
      symlinkSync(dangling ? join(outside, "nothing") : join(outside, "target"), place);
      // So old that a command that writes takes the trash for that of a killed collection, and restores it.
      if (existsSync(join(store, "trash"))) utimesSync(join(store, "trash"), 1, 1);
      const before = listing(outside);
      // A link deeper in the store is noticed only by commands that use that directory.
      const [inLayers, inTrash] = ["layers/", "trash/"].map((prefix) => path.startsWith(prefix)) as [boolean, boolean];
      const commands: [refuses: boolean, ...args: string[]][] =
        kind === "store"
          ? [
              [true, "images", "gc"],
              [!inLayers, "images", "fsck", "--rebuild", "--progress", "none"],
              [!inLayers, "images", "fsck", "--progress", "none"],
              [!inLayers, "pull", "--progress", "none", `${server.host}/app:v2`],
              [!inLayers, "cp", "--progress", "none", `oci:${layout}:v1`, "store:reg.example.org/new:v1"],
              [false, "push", "--progress", "none", name, `${server.host}/pushed:v1`],
              [false, "images", "ls"],
              [!inLayers && !inTrash, "images", "rm", name],
            ]
          : [
              [true, "cp", "--progress", "none", `${server.host}/app:v2`, `oci:${layout}:v2`],
              [false, "cp", "--progress", "none", `oci:${layout}:v1`, `${server.host}/copied:v1`],
              [false, "rm", `oci:${layout}:v1`],
            ];
      for (const [refuses, ...args] of commands) {
        const { code, stderr, stdout } = await run(store, ...args);
        const seen = [kind, path, dangling, args[0], args[1], code, stdout];
        expect([...seen, listing(outside)]).toEqual([...seen, before]);
        expect([...seen, readlinkSync(place)]).toEqual([...seen, expect.stringContaining(outside)]);
        if (code !== 0 || refuses) {
          expect([...seen, stderr]).toEqual([...seen, expect.stringMatching(/\[(?:NOT_REGULAR_FILE|STORE_INVALID)\]/)]);
          expect([...seen, stderr]).toEqual([...seen, expect.stringContaining(place)]);
        }
      }
      expect(statSync(outside).isDirectory()).toBe(true);
    }
  }
}, 600_000);
