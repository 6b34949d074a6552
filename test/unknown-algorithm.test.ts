import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { childrenHandler, handlers, manifestForPlatform, size, walk } from "../src/images/index.ts";
import { LayoutRegistry, providerOf, type Registry } from "../src/registry/index.ts";
import { serve } from "../src/server/index.ts";
import { type Descriptor, type Digest, mediaTypes } from "../src/spec/index.ts";
import { pushImage, randomImage, rejects, testBlob, testIndex } from "../src/testing/index.ts";
import { copy, inspect, pull, push, resolve, Store, tags, unpack } from "../src/verbs/index.ts";
import { gantry } from "./support/peers.ts";
import { temporary } from "./support/temporary.ts";

const arm64 = { os: "linux", architecture: "arm64" };
const amd64 = { os: "linux", architecture: "amd64" };
/** An entry whose digest follows the grammar of descriptor.md, of an algorithm that is not registered. */
const strange: Descriptor = {
  mediaType: mediaTypes.manifest,
  digest: "blake3:0rq9z_-=" as Digest,
  size: 500,
  platform: arm64,
};

function storeAt(directory: string): Store {
  const store = new Store(directory);
  onTestFinished(() => store.close());
  return store;
}

async function served(registry: Registry): Promise<{ readonly host: string }> {
  const service = await serve(registry);
  onTestFinished(() => service.close());
  return service;
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

/** A layout with `app:v1`, an index of a good image and an entry of an unknown algorithm. */
async function layoutWithIndex(): Promise<{ registry: LayoutRegistry; directory: string; index: Descriptor }> {
  const directory = join(await temporary(), "layout");
  const registry = new LayoutRegistry(directory, { create: true, sparse: true });
  const good = randomImage();
  const top = testIndex([good, { ...good, descriptor: strange }]);
  const index = await pushImage(registry, "app", { ...top, blobs: good.blobs }, "v1");
  return { registry, directory, index };
}

test("the other images of an index.json with an entry of an unknown digest algorithm can be used", async () => {
  const work = await temporary();
  const directory = join(work, "layout");
  const layout = new LayoutRegistry(directory, { create: true });
  const image = await pushImage(layout, layout.defaultRepository, randomImage(), "good");
  const file = join(directory, "index.json");
  const written = JSON.parse(readFileSync(file, "utf8"));
  const annotations = { "org.opencontainers.image.ref.name": "strange" };
  writeFileSync(file, JSON.stringify({ ...written, manifests: [{ ...strange, annotations }, ...written.manifests] }));

  expect(await all(tags(`oci:${directory}`))).toEqual(["good", "strange"]);
  expect((await resolve(`oci:${directory}:good`)).digest).toBe(image.digest);
  expect(await all(layout.referrers(layout.defaultRepository, image.digest))).toEqual([]);
  const store = storeAt(join(work, "store"));
  expect((await unpack(`oci:${directory}:good`, join(work, "rootfs"), { store })).digest).toBe(image.digest);
  await copy(`oci:${directory}:good`, `oci:${join(work, "copy")}:good`);
  const service = await served(layout);
  const pulled = await pull(`${service.host}/${layout.defaultRepository}:good`, { store });
  expect(pulled.descriptor.digest).toBe(image.digest);
  // The entry stays in the list when the list changes.
  await layout.deleteTag(layout.defaultRepository, "good" as never);
  expect(JSON.parse(readFileSync(file, "utf8")).manifests[0]).toEqual({ ...strange, annotations });
  await rejects(inspect(`oci:${directory}:strange`), "UNSUPPORTED_ALGORITHM");
  const told = await gantry(["inspect", `oci:${directory}:strange`]);
  expect([told.code, told.stderr]).toEqual([1, expect.stringContaining('unsupported algorithm blake3 in "blake3:')]);
});

test("walks pass an entry of an unknown digest algorithm; only reading it is refused", async () => {
  const { registry, index } = await layoutWithIndex();
  const provider = providerOf(registry, "app" as never);
  const seen: string[] = [];
  const warnings: string[] = [];
  const children = childrenHandler(provider, { onWarning: (message) => warnings.push(message) });
  await walk(
    handlers(({ digest }) => void seen.push(digest), children),
    index,
  );
  expect(seen).toContain(strange.digest);
  expect(warnings).toEqual([expect.stringContaining(strange.digest)]);
  expect(await size(provider, index)).toBeGreaterThan(strange.size);
  expect((await manifestForPlatform(provider, index, { platform: amd64 })).manifest.layers).toHaveLength(2);
  await rejects(manifestForPlatform(provider, index, { platform: arm64 }), "UNSUPPORTED_ALGORITHM");
  await rejects(() => provider.read(strange), "UNSUPPORTED_ALGORITHM");
  const embedded = { ...strange, size: 2, data: "e30=" };
  await rejects(manifestForPlatform(provider, embedded), "UNSUPPORTED_ALGORITHM");
  await registry.close();
});

test("of two entries that fit, the one that can be verified is chosen", async () => {
  const { registry } = await layoutWithIndex();
  const arm = randomImage({ platform: arm64, seed: 5 });
  const both = testIndex([{ ...arm, descriptor: strange }, arm]);
  const index = await pushImage(registry, "app", { ...both, blobs: arm.blobs }, "v2");
  const chosen = await manifestForPlatform(providerOf(registry, "app" as never), index, { platform: arm64 });
  expect(chosen.descriptor.digest).toBe(arm.descriptor.digest);
  await registry.close();
});

test("a copy leaves such an entry out if it is not chosen; if it is chosen, the copy fails before anything is sent", async () => {
  const { registry, directory, index } = await layoutWithIndex();
  const work = await temporary();
  const service = await served(registry);
  const source = `${service.host}/app:v1`;
  const target = join(work, "copy");
  const whole = copy(source, `oci:${target}:v1`);
  await expect(whole).rejects.toMatchObject({
    code: "UNSUPPORTED_ALGORITHM",
    message: expect.stringContaining(`lists ${strange.digest} (linux/arm64)`),
  });
  await rejects(resolve(`oci:${target}:v1`), "NAME_UNKNOWN");
  await rejects(copy(`oci:${directory}:app:v1`, `oci:${target}:v1`), "UNSUPPORTED_ALGORITHM");
  const one = await copy(source, `oci:${target}:v1`, { platforms: [amd64] });
  expect(one.documents.length).toBeGreaterThan(0);

  const store = storeAt(join(work, "store"));
  const pulled = await pull(source, { store, platforms: [amd64] });
  expect(pulled.descriptor.digest).toBe(index.digest);
  await rejects(pull(source, { store, platforms: [arm64] }), "UNSUPPORTED_ALGORITHM");
  expect((await unpack(source, join(work, "rootfs"), { store, platform: amd64 })).entries).toBeGreaterThan(0);
  await rejects(push(source, `${service.host}/copy:v1`, { store }), "UNSUPPORTED_ALGORITHM");
  const pushed = await push(source, `${service.host}/copy:v1`, { store, platforms: [amd64] });
  expect(pushed.documents.map(({ digest }) => digest)).not.toContain(strange.digest);
  // The store lists it, keeps it and checks it.
  expect(await store.fsck()).toMatchObject({ findings: [], images: 1 });
  expect((await store.gc()).blobs).toEqual([]);
  const listed = await gantry(["images", "--json", "--store", join(work, "store")]);
  expect(JSON.parse(listed.stdout)).toMatchObject([{ here: { state: "partial", platforms: ["linux/amd64"] } }]);
});

test("inspect shows the other entries of an index, and which one cannot be verified", async () => {
  const { directory } = await layoutWithIndex();
  const found = await inspect(`oci:${directory}:app:v1`);
  expect(found.images.map(({ platform }) => platform)).toEqual([amd64]);
  expect(found.missing).toEqual([strange]);
  const shown = await gantry(["inspect", `oci:${directory}:app:v1`]);
  expect(shown).toMatchObject({
    code: 0,
    stdout: expect.stringContaining(`unverifiable  ${strange.digest}  linux/arm64`),
  });
});

test("a store keeps a name for content that it cannot verify, and all other names work", async () => {
  const directory = join(await temporary(), "store");
  const store = storeAt(directory);
  const good = await pushImage(store.registry, "reg.example.org/good", randomImage(), "v1");
  await store.registry.release();
  await store.images.set("reg.example.org/odd:v1", strange);
  expect((await store.gc()).blobs).toEqual([]);
  for (const rebuild of [false, true]) {
    const { findings } = await store.fsck({ rebuild });
    expect(findings).toMatchObject([{ kind: "absent", image: "reg.example.org/odd:v1" }]);
  }
  const listed = await gantry(["images", "--json", "--store", directory]);
  expect(JSON.parse(listed.stdout)).toMatchObject([
    { target: { digest: good.digest }, here: { state: "complete" } },
    { target: { digest: strange.digest }, here: { state: "absent" } },
  ]);
  expect((await resolve("store:reg.example.org/good:v1", { store: directory })).digest).toBe(good.digest);
  await rejects(inspect("store:reg.example.org/odd:v1", { store: directory }), "UNSUPPORTED_ALGORITHM");
});

test("unpacking refuses a layer whose diffID has an unknown algorithm", async () => {
  const work = await temporary();
  const directory = join(work, "layout");
  const layout = new LayoutRegistry(directory, { create: true });
  const image = randomImage({ sizes: [100], diffIDs: [strange.digest] });
  await pushImage(layout, layout.defaultRepository, image, "v1");
  const store = storeAt(join(work, "store"));
  for (const workers of [0, 2] as const) {
    const work = unpack(`oci:${directory}:v1`, join(directory, "..", `rootfs-${workers}`), { store, workers });
    await rejects(work, "UNSUPPORTED_ALGORITHM");
  }
  await layout.close();
});

test("an image with a layer of an unknown algorithm is listed; copying it names the layer", async () => {
  const directory = join(await temporary(), "layout");
  const layout = new LayoutRegistry(directory, { create: true, sparse: true });
  const image = randomImage();
  const layer = { ...strange, mediaType: mediaTypes.layerGzip, platform: undefined };
  const manifest = JSON.parse(image.documents[0]!.bytes.toString());
  const changed = testBlob(JSON.stringify({ ...manifest, layers: [layer, manifest.layers[1]] }), mediaTypes.manifest);
  await pushImage(layout, layout.defaultRepository, { ...image, documents: [changed] }, "v1");
  expect((await inspect(`oci:${directory}:v1`)).images[0]!.layers[0]!.digest).toBe(strange.digest);
  await expect(copy(`oci:${directory}:v1`, `oci:${directory}-2:v1`)).rejects.toMatchObject({
    code: "UNSUPPORTED_ALGORITHM",
    details: { digest: strange.digest },
  });
  await layout.close();
});
