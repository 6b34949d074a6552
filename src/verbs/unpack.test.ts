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
  testLayer,
} from "../testing/index.ts";
import { pull, Store, unpack } from "./index.ts";

const small = testImage([testLayer([{ name: "low", data: "low" }]), testLayer([{ name: "high", data: "high" }])]);
/** Past what is unpacked in this thread. */
const large = testImage([
  testLayer([{ name: "low", data: seededBytes(5 << 20) }]),
  testLayer([{ name: "high", data: "high" }]),
]);

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
  await pull(name, { store });
  server.requests.length = 0;
  const warnings: string[] = [];
  const progress = (event: ProgressEvent): void => {
    if (event.type === "message" && event.level === "warning") warnings.push(event.text);
  };
  return { server, store, name, rootfs: join(work, "rootfs"), warnings, progress };
}

/** Other bytes of the same size, as a disk may give them back. */
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
  test.each(["IfNotPresent", "Always"] as const)("is reported and brought anew under %s", async (policy) => {
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
  test("is told on stderr whatever --progress says, and exit code 5 where it is forbidden", async () => {
    const { store, name, rootfs } = await pulled(small);
    damage(store, small.blobs[0]!);
    const args = ["unpack", "--progress", "none", "--store", store.directory, name, rootfs];
    const refused = await gantry([...args, "--policy", "Never"]);
    expect([refused.code, refused.stderr]).toEqual([5, expect.stringMatching(/DIGEST_MISMATCH/)]);
    const done = await gantry(args);
    expect([done.code, done.stdout]).toEqual([0, `${small.descriptor.digest}\n`]);
    expect(done.stderr).toMatch(/^warning: the blob sha256:\w+ in the store .* was damaged; it was removed/);
  });

  test("brings what the name stands for there, also where its tag has moved", async () => {
    const { server, store, name, rootfs } = await pulled(small);
    await pushImage(server.registry, "app", large, "v1");
    damage(store, small.blobs[0]!);
    expect(await unpack(name, rootfs, { store })).toMatchObject({ digest: small.descriptor.digest });
    expect((await store.images.get(name)).target.digest).toBe(small.descriptor.digest);
  });

  test("mends several blobs, each once, and ends where the registry has wrong ones too", async () => {
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
  test("leases the image that it reads from a store, and lets it go", async () => {
    for (const prefix of ["", "store:"]) {
      const { store, name, rootfs } = await pulled(small);
      const leases = join(store.directory, "leases");
      let seen = "";
      await unpack(`${prefix}${name}`, rootfs, {
        store,
        progress(event) {
          if (event.type !== "start" || event.id !== "unpack") return;
          seen = readdirSync(leases)
            .map((file) => readFileSync(join(leases, file), "utf8"))
            .join("");
        },
      });
      for (const { descriptor } of [...small.blobs, ...small.documents]) expect(seen).toContain(descriptor.digest);
      expect(readdirSync(leases)).toEqual([]);
    }
    // Also where it fails.
    const { store, name, rootfs } = await pulled(small);
    const signal = AbortSignal.abort(new Error("stop"));
    await expect(unpack(`store:${name}`, rootfs, { store, signal })).rejects.toThrow("stop");
    await rejects(unpack(`store:${name}`, join(rootfs, "..", "store"), { store }), "TARGET_NOT_EMPTY");
    expect(readdirSync(join(store.directory, "leases"))).toEqual([]);
  });

  test("an image whose name is removed while it is unpacked is not collected before it is", async () => {
    const { store, name, rootfs } = await pulled(small);
    const run = (...args: string[]): string => {
      const ran = spawnSync(process.execPath, [main, "images", ...args], { encoding: "utf8" });
      expect([args, ran.status]).toEqual([args, 0]);
      return ran.stdout;
    };
    const flags = ["--store", store.directory];
    const { entries } = await unpack(`store:${name}`, rootfs, {
      store,
      // Nothing else happens here until another process has collected.
      progress(event) {
        if (event.type !== "start" || event.id !== "unpack") return;
        run("rm", ...flags, name);
        expect(run("gc", ...flags)).toBe("");
      },
    });
    expect(entries).toBe(2);
    expect(
      run("gc", ...flags)
        .trim()
        .split("\n"),
    ).toHaveLength(4);
  });

  test("strict fails where something cannot be kept, which is a warning else", async () => {
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
