import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { temporary } from "../../test/support/temporary.ts";
import { parseRepoName, parseTag } from "../reference/reference.ts";
import { MemoryRegistry } from "../registry/memory/memory.ts";
import { providerOf } from "../registry/provider.ts";
import type { RegistryReader } from "../registry/registry.ts";
import { Store } from "../store/store.ts";
import { pushImage, rejects, testImage, testIndex, testLayer } from "../testing/index.ts";
import { isComplete, missingManifests } from "./complete.ts";
import { withMending } from "./mend.ts";
import { ensureImage, type PullPolicy } from "./policy.ts";
import { pullImage } from "./pull.ts";

const amd64 = { os: "linux", architecture: "amd64" };
const arm64 = { os: "linux", architecture: "arm64" };
const image = testImage([testLayer([{ name: "file", data: "x" }])], { platform: amd64 });
const other = testImage([testLayer([{ name: "file", data: "y" }])], { platform: arm64 });
const name = "any name";

/** A store, and a read-only source with an index of two platforms that records its requests. */
async function setUp() {
  const store = new Store(join(await temporary(), "store"));
  onTestFinished(() => store.close());
  const memory = new MemoryRegistry();
  const repo = parseRepoName("app");
  await pushImage(memory, repo, testIndex([image, other]), "v1");
  const asked: string[] = [];
  const registry: RegistryReader = {
    name: "reader",
    getManifest(from, reference) {
      asked.push("manifest");
      return memory.getManifest(from, reference);
    },
    getBlob(from, blob) {
      asked.push("blob");
      return memory.getBlob(from, blob);
    },
    getBlobRange: (from, blob, range) => memory.getBlobRange(from, blob, range),
    resolveManifest: (from, reference) => memory.resolveManifest(from, reference),
    resolveBlob: (from, digest) => memory.resolveBlob(from, digest),
  };
  return { store, asked, source: { registry, repo, reference: parseTag("v1"), name: "app:v1" } };
}

test("the policy decides whether the source is asked", async () => {
  const { store, asked, source } = await setUp();
  const options = { source, store, name, platform: amd64 };
  for (const policy of ["never", "", undefined] as unknown as PullPolicy[]) {
    await rejects(ensureImage({ ...options, policy }), "USAGE");
  }
  await rejects(ensureImage({ ...options, policy: "Never" }), "IMAGE_NOT_FOUND");
  expect(asked).toEqual([]);
  await ensureImage({ ...options, policy: "IfNotPresent" });
  expect(asked.splice(0).length).toBeGreaterThan(0);
  for (const policy of ["IfNotPresent", "Never"] as const) await ensureImage({ ...options, policy });
  expect(asked).toEqual([]);
  await ensureImage({ ...options, policy: "Always" });
  expect(asked.splice(0)).not.toContain("blob");
  await rejects(ensureImage({ ...options, platform: arm64, policy: "Never" }), "IMAGE_NOT_FOUND");
});

test("a pull of one platform is complete for it, and the manifests of the others are missing", async () => {
  const { store, source } = await setUp();
  expect(await isComplete({ store, name, platform: amd64 })).toBe(false);
  expect(await pullImage({ source, store, name, platforms: [amd64] })).toMatchObject({ name, blobs: { moved: 2 } });
  expect(await isComplete({ store, name, platform: amd64 })).toBe(true);
  expect(await isComplete({ store, name, platform: arm64 })).toBe(false);
  expect(await missingManifests({ store, name })).toMatchObject([{ digest: other.descriptor.digest }]);
  await pullImage({ source, store, name, platforms: "all" });
  expect(await missingManifests({ store, name })).toEqual([]);
});

test("work is repeated once damaged blobs are replaced, and an error without damage is passed on", async () => {
  const { store, source } = await setUp();
  const { descriptor } = await pullImage({ source, store, name, platforms: [amd64] });
  const layer = image.blobs[0]!.descriptor;
  let runs = 0;
  const options = {
    store,
    platform: amd64,
    target: async () => descriptor,
    source: providerOf(source.registry, source.repo),
    advice: "",
    async work() {
      runs += 1;
      return await (await store.blobs.read(layer)).bytes();
    },
  };
  writeFileSync(store.blobs.path(layer.digest), Buffer.alloc(layer.size));
  await rejects(withMending({ ...options, source: undefined }), "DIGEST_MISMATCH");
  expect(await withMending(options)).toEqual(image.blobs[0]!.bytes);
  expect(runs).toBe(3);
  const fails = (): never => {
    throw new Error("no damage");
  };
  await expect(withMending({ ...options, work: async () => fails() })).rejects.toThrow("no damage");
});
