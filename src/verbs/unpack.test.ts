import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { gantry, main } from "../../test/support/peers.ts";
import { temporary } from "../../test/support/temporary.ts";
import type { ProgressEvent } from "../base/progress.ts";
import { LayoutRegistry } from "../registry/layout/layout.ts";
import {
  pushImage,
  rejects,
  seededBytes,
  startTestRegistry,
  type TestBlob,
  type TestImage,
  testImage,
  testIndex,
  testLayer,
} from "../testing/index.ts";
import { pull, Store, unpack } from "./index.ts";

const small = testImage([testLayer([{ name: "low", data: "low" }]), testLayer([{ name: "high", data: "high" }])]);
/** So large that it is unpacked by worker threads. */
const large = testImage([
  testLayer([{ name: "low", data: seededBytes(5 << 20) }]),
  testLayer([{ name: "high", data: "high" }]),
]);

const amd64 = { os: "linux", architecture: "amd64" };
const arm64 = { os: "linux", architecture: "arm64" };
const index = testIndex([small, testImage([testLayer([{ name: "other", data: "other" }])], { platform: arm64 })]);

const gets = (server: { requests: readonly { method: string; path: string }[] }, blob: TestBlob): number =>
  server.requests.filter(({ method, path }) => method === "GET" && path.includes(blob.descriptor.digest)).length;

/** A registry that has an image, and a store that pulled it. */
async function pulled(image: TestImage) {
  const server = await startTestRegistry();
  onTestFinished(() => server[Symbol.asyncDispose]());
  await pushImage(server.registry, "app", image, "v1");
  const work = await temporary();
  const store = new Store(join(work, "store"));
  onTestFinished(() => store.close());
  const name = `${server.host}/app:v1`;
  await pull(name, { store, platforms: "all" });
  server.requests.length = 0;
  const warnings: string[] = [];
  const progress = (event: ProgressEvent): void => {
    if (event.type === "message" && event.level === "warning") warnings.push(event.text);
  };
  return { server, store, name, rootfs: join(work, "rootfs"), warnings, progress };
}

/** The text of each lease of a store. */
function leasesOf(store: Store): string[] {
  const leases = join(store.directory, "leases");
  return readdirSync(leases).map((file) => readFileSync(join(leases, file), "utf8"));
}

/** Runs `gantry images` on a store. */
function run(store: Store, command: string, ...args: string[]): string {
  const ran = spawnSync(process.execPath, [main, "images", command, "--store", store.directory, ...args], {
    encoding: "utf8",
  });
  expect([command, ran.status]).toEqual([command, 0]);
  return ran.stdout;
}

/** Changes one bit of a stored blob, as a faulty disk may. */
function damage(store: Store, { descriptor }: TestBlob): void {
  const path = store.blobs.path(descriptor.digest);
  const bytes = readFileSync(path);
  bytes[bytes.length >> 1]! ^= 1;
  writeFileSync(path, bytes);
  expect(statSync(path).size).toBe(descriptor.size);
}

describe.each([
  ["layer", small, (image: TestImage) => image.blobs[0]!],
  ["layer of a large image", large, (image: TestImage) => image.blobs[0]!],
  ["config", small, (image: TestImage) => image.blobs.at(-1)!],
  ["manifest", small, (image: TestImage) => image.documents[0]!],
] as const)("a damaged %s of the store", (_, image, choose) => {
  test.each(["IfNotPresent", "Always"] as const)("is reported and fetched again under %s", async (policy) => {
    const { server, store, name, rootfs, warnings, progress } = await pulled(image);
    damage(store, choose(image));
    const { digest } = await unpack(name, rootfs, { store, policy, progress });
    expect(digest).toBe(image.descriptor.digest);
    expect(readFileSync(join(rootfs, "high"), "utf8")).toBe("high");
    const wrong = choose(image);
    expect(warnings).toEqual([expect.stringMatching(`^the blob ${wrong.descriptor.digest} in (the )?store /`)]);
    expect(readFileSync(store.blobs.path(wrong.descriptor.digest)).equals(wrong.bytes)).toBe(true);
    const [other] = image.blobs.filter((blob) => blob !== wrong && blob.descriptor.mediaType.includes("layer"));
    expect(gets(server, other!)).toBe(0);
    expect((await store.fsck()).findings).toEqual([]);
  });

  test("is DIGEST_MISMATCH under Never, and stays", async () => {
    const { server, store, name, rootfs, warnings, progress } = await pulled(image);
    const wrong = choose(image);
    damage(store, wrong);
    await rejects(unpack(name, rootfs, { store, policy: "Never", progress }), "DIGEST_MISMATCH");
    await expect(unpack(name, rootfs, { store, policy: "Never" })).rejects.toThrow(wrong.descriptor.digest);
    await rejects(unpack(`store:${name}`, rootfs, { store }), "DIGEST_MISMATCH");
    expect(server.requests).toEqual([]);
    expect(warnings).toEqual([]);
    expect(existsSync(rootfs)).toBe(false);
    expect(existsSync(store.blobs.path(wrong.descriptor.digest))).toBe(true);
  });
});

describe("mending a store", () => {
  test("is reported on stderr also with --progress none, and exits with 5 where the policy forbids it", async () => {
    const { store, name, rootfs } = await pulled(small);
    damage(store, small.blobs[0]!);
    const args = ["unpack", "--progress", "none", "--store", store.directory, name, rootfs];
    const refused = await gantry([...args, "--policy", "Never"]);
    expect([refused.code, refused.stderr]).toEqual([5, expect.stringMatching(/DIGEST_MISMATCH/)]);
    const done = await gantry(args);
    expect([done.code, done.stdout]).toEqual([0, `${small.descriptor.digest}\n`]);
    expect(done.stderr).toMatch(/^warning: the blob sha256:\w+ in the store .* was damaged; it was removed/);
  });

  test("fetches blobs of the stored image, even if the tag has moved", async () => {
    const { server, store, name, rootfs } = await pulled(small);
    await pushImage(server.registry, "app", large, "v1");
    damage(store, small.blobs[0]!);
    expect(await unpack(name, rootfs, { store })).toMatchObject({ digest: small.descriptor.digest });
    expect((await store.images.get(name)).target.digest).toBe(small.descriptor.digest);
  });

  test("fetches each damaged blob once, and fails where the registry's blob is damaged too", async () => {
    const { server, store, name, rootfs, warnings, progress } = await pulled(small);
    for (const blob of [...small.blobs, ...small.documents]) damage(store, blob);
    await unpack(name, rootfs, { store, progress });
    expect(warnings).toHaveLength(4);
    damage(store, small.blobs[0]!);
    server.faults = [{ on: { kind: "corrupt" }, path: new RegExp(small.blobs[0]!.descriptor.digest), method: "GET" }];
    server.requests.length = 0;
    await rejects(unpack(name, `${rootfs}-2`, { store }), "DIGEST_MISMATCH");
    expect(gets(server, small.blobs[0]!)).toBe(1);
    expect(await store.blobs.has(small.blobs[0]!.descriptor)).toBe(false);
  });
});

describe("unpack", () => {
  test.each([
    ["a single image", small],
    ["one platform of an index", index],
  ])("leases the top document of %s, and gc keeps everything that it leads to", async (_, image) => {
    for (const prefix of ["", "store:"]) {
      const { store, name, rootfs } = await pulled(image);
      let leases = "";
      const { entries } = await unpack(`${prefix}${name}`, rootfs, {
        store,
        platform: amd64,
        // Other processes delete the name and collect garbage, while this one waits.
        progress(event) {
          if (event.type !== "start" || event.id !== "unpack") return;
          leases = leasesOf(store).join("");
          run(store, "rm", name);
          expect(run(store, "gc")).toBe("");
        },
      });
      expect(entries).toBe(2);
      expect(leases).toContain(image.descriptor.digest);
      const blobs = [...image.documents, ...image.blobs];
      for (const { descriptor } of blobs) expect(await store.blobs.verify(descriptor)).toBe(true);
      expect(leasesOf(store)).toEqual([]);
      // Without a lease and a name they are garbage.
      expect(run(store, "gc").trim().split("\n")).toHaveLength(blobs.length);
    }
  });

  test("releases its lease where it fails", async () => {
    const { store, name, rootfs } = await pulled(small);
    const signal = AbortSignal.abort(new Error("stop"));
    await expect(unpack(`store:${name}`, rootfs, { store, signal })).rejects.toThrow("stop");
    await rejects(unpack(`store:${name}`, join(rootfs, "..", "store"), { store }), "TARGET_NOT_EMPTY");
    expect(leasesOf(store)).toEqual([]);
  });

  test("strict fails where an attribute cannot be set; otherwise that is a warning", async () => {
    const work = await temporary();
    const layout = new LayoutRegistry(join(work, "layout"), { create: true });
    const layer = testLayer([{ name: "file", data: "x", xattrs: { "no-such-namespace.name": "x" } }]);
    await pushImage(layout, layout.defaultRepository, testImage([layer]), "v1");
    await layout.close();
    const location = `oci:${work}/layout:v1`;
    const options = { store: join(work, "store") };
    expect((await unpack(location, join(work, "loose"), options)).warnings).toHaveLength(1);
    await rejects(unpack(location, join(work, "strict"), { ...options, strict: true }), "UNSUPPORTED");
    expect(readdirSync(work).sort()).toEqual(["layout", "loose"]);
  });
});
