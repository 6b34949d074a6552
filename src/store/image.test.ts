import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { gantry } from "../../test/support/peers.ts";
import { temporary } from "../../test/support/temporary.ts";
import { parsePlatform } from "../images/index.ts";
import type { Digest, Manifest } from "../spec/index.ts";
import { pushImage, randomImage, rejects, testIndex } from "../testing/index.ts";
import { Store } from "./index.ts";

const arm64 = parsePlatform("linux/arm64");
const amd64 = parsePlatform("linux/amd64");
const name = "docker.io/library/two:latest";

async function filled(): Promise<Store> {
  const store = new Store(join(await temporary(), "store"));
  const index = testIndex([randomImage({ seed: 10 }), randomImage({ seed: 20, platform: arm64 })]);
  await pushImage(store.registry, "docker.io/library/two", index, "latest");
  await store.images.create({ name: "backup", target: index.descriptor });
  await store.registry.release();
  return store;
}

const document = (store: Store, digest: Digest) => JSON.parse(readFileSync(store.blobs.path(digest), "utf8"));

test("a stored image gives its config, diffIDs, size and bytes, by its exact name and by its name in full", async () => {
  const store = await filled();
  for (const given of ["backup", "two", name]) {
    const image = await store.image(given, { platform: arm64 });
    expect([image.name, image.stored.target]).toEqual([given === "backup" ? given : name, image.target]);
    const { manifests } = document(store, image.target.digest);
    const manifest = document(store, manifests[1].digest) as Manifest;
    const config = await image.config();
    expect(config.digest).toBe(manifest.config.digest);
    const bytes = await (await image.provider.read(config)).bytes();
    expect(await image.rootFS()).toEqual(JSON.parse(bytes.toString()).rootfs.diff_ids);
    const own = [image.target, manifests[1], manifest.config, ...manifest.layers];
    expect(await image.size()).toBe(own.reduce((sum, { size }) => sum + size, 0));
    expect(await image.check()).toEqual({ complete: true, missing: [] });
  }
  await rejects(store.image("three"), "IMAGE_NOT_FOUND");
  await rejects(store.image("NOT a reference"), "IMAGE_NOT_FOUND");
  await store.close();
});

test("check lists missing blobs with the document that lists them, for one platform or for all", async () => {
  const store = await filled();
  const { target } = await store.image(name);
  const [amd, arm] = document(store, target.digest).manifests;
  const { config, layers } = document(store, arm.digest) as Manifest;
  const check = async (platform?: typeof arm64) => (await store.image(name, { platform })).check();
  await store.blobs.delete(layers[1]!.digest);
  await store.blobs.delete(config.digest);
  const missing = [
    { descriptor: config, parent: arm.digest },
    { descriptor: layers[1], parent: arm.digest },
  ];
  expect(await check(arm64)).toEqual({ complete: false, missing });
  expect(await check()).toEqual({ complete: false, missing });
  expect(await check(amd64)).toEqual({ complete: true, missing: [] });
  await rejects(check(parsePlatform("linux/s390x")), "PLATFORM_NOT_FOUND");
  await store.blobs.delete(amd.digest);
  expect((await check(amd64)).missing).toEqual([{ descriptor: amd, parent: target.digest }]);
  await store.blobs.delete(target.digest);
  expect(await check()).toEqual({ complete: false, missing: [{ descriptor: target }] });
  await store.close();
});

test("gc keeps a protected document and everything that it leads to, even without a name", async () => {
  const store = await filled();
  const { target } = await store.image(name);
  const other = new Store(store.directory);
  {
    await using _held = await store.protect(target.digest, "reading");
    for (const each of [name, "backup"]) await other.images.delete(each);
    expect((await other.gc()).blobs).toEqual([]);
  }
  expect((await other.gc()).blobs).toHaveLength(9);
  await other.close();
  await store.close();
  // Reading creates no store.
  const absent = new Store(join(await temporary(), "absent"));
  await using _nothing = await absent.protect(target.digest, "reading");
  expect(await absent.exists()).toBe(false);
});

test("the images commands look for the exact name first, then for the name in full", async () => {
  const store = await filled();
  const { target } = await store.image(name);
  // The image with exactly the name `two` is not the one of `two` in full.
  await store.images.create({ name: "two", target });
  await store.images.create({ name: "NOT a reference", target });
  await store.close();
  const run = (...args: string[]) => gantry(["images", ...args, "--store", store.directory]);
  expect(await run("label", "backup", "a=b")).toMatchObject({ code: 0, stdout: "a=b\n" });
  expect(await run("rm", "NOT a reference")).toMatchObject({ code: 0, stdout: "NOT a reference\n" });
  expect(await run("rm", "two")).toMatchObject({ code: 0, stdout: "two\n" });
  expect(await run("rm", "two")).toMatchObject({ code: 0, stdout: `${name}\n` });
  expect(await run("rm", "NOT a reference")).toMatchObject({ code: 3 });
  expect(await run("rm", "store:backup")).toMatchObject({ code: 0, stdout: "backup\n" });
});
