import { expect, test } from "vitest";
import { bytesContent, bytesSource } from "../../content/index.ts";
import { parseRepoName, parseTag } from "../../reference/index.ts";
import { digestOf, mediaTypes } from "../../spec/index.ts";
import { pushImage, randomImage, rejects, seededBytes, testBlob } from "../../testing/index.ts";
import { completeRegistry } from "../complete.ts";
import { MemoryRegistry } from "../memory/memory.ts";
import { registryCache } from "./cache.ts";
import type { RegistryCacheOptions } from "./entries.ts";

const repo = parseRepoName("app");
const other = parseRepoName("other");
const v1 = parseTag("v1");

/** A cache over a registry in memory, and how often each method below was called. */
function counted(options?: RegistryCacheOptions) {
  const below = new MemoryRegistry();
  const calls: Record<string, number> = {};
  const inner = new Proxy(below, {
    get(target, name: string) {
      const value = target[name as keyof MemoryRegistry] as unknown;
      if (typeof value !== "function") return value;
      return (...args: unknown[]) => {
        calls[name] = (calls[name] ?? 0) + 1;
        return (value as (...args: unknown[]) => unknown).apply(target, args);
      };
    },
  });
  return { below, calls, cache: registryCache(inner, options) };
}

test("everything is fetched once, and callers at the same time share one request", async () => {
  const { below, calls, cache } = counted();
  const image = randomImage();
  const { digest } = await pushImage(below, repo, image, "v1");
  const [blob] = image.blobs;
  const many = <T>(work: () => Promise<T>): Promise<T[]> => Promise.all([work(), work(), work()]);
  for (let round = 0; round < 2; round += 1) {
    await many(() => cache.getManifest(repo, v1));
    await many(() => cache.getManifest(repo, digest));
    await many(() => cache.resolveManifest(repo, v1));
    await many(async () => (await cache.getBlob(repo, blob!.descriptor)).bytes());
    await many(() => cache.resolveBlob(repo, blob!.descriptor.digest));
  }
  expect(calls).toEqual({ getManifest: 1, getBlob: 1 });
  await cache.getManifest(repo, v1, { fresh: true });
  await (await cache.getBlob(repo, blob!.descriptor, { fresh: true })).bytes();
  expect(calls).toEqual({ getManifest: 2, getBlob: 2 });
});

test("entries of one repository are unknown in another", async () => {
  const { below, cache } = counted();
  const { digest } = await pushImage(below, repo, randomImage(), "v1");
  await cache.getManifest(repo, digest);
  await rejects(cache.getManifest(other, digest), "MANIFEST_UNKNOWN");
  await rejects(cache.resolveManifest(other, v1), "MANIFEST_UNKNOWN");
});

test.each([
  [4_194_304, 1],
  [4_194_305, 2],
])("a blob of %i bytes, read twice, is asked for %i times", async (size, times) => {
  const { below, calls, cache } = counted();
  const { descriptor, bytes } = testBlob(seededBytes(size));
  await below.pushBlob(repo, descriptor, bytesSource(descriptor, bytes));
  for (let round = 0; round < 2; round += 1) {
    const content = await cache.getBlob(repo, descriptor);
    expect((await content.bytes({ limit: size })).equals(bytes)).toBe(true);
  }
  expect(calls["getBlob"]).toBe(times);
});

test.each([
  [4_194_304, 1],
  [4_194_305, 2],
])("a blob of %i bytes, read twice by its digest alone, is asked for %i times", async (size, times) => {
  const { below, calls, cache } = counted();
  const { descriptor, bytes } = testBlob(seededBytes(size));
  await below.pushBlob(repo, descriptor, bytesSource(descriptor, bytes));
  for (let round = 0; round < 2; round += 1) {
    const content = await cache.getBlob(repo, descriptor.digest);
    expect((await content.bytes({ limit: size })).equals(bytes)).toBe(true);
  }
  expect(calls).toEqual({ getBlob: times });
});

test("callers that ask by digest and by descriptor at the same time share one request, and each verifies its own size", async () => {
  const { below, calls, cache } = counted();
  const { descriptor, bytes } = testBlob(seededBytes(10_000));
  await below.pushBlob(repo, descriptor, bytesSource(descriptor, bytes));
  const read = async (blob: Parameters<typeof cache.getBlob>[1]): Promise<boolean> =>
    (await (await cache.getBlob(repo, blob)).bytes()).equals(bytes);
  const wrong = { ...descriptor, size: 9_999 };
  const [first, ...rest] = [wrong, descriptor, descriptor.digest, descriptor].map(read);
  await rejects(first!, "SIZE_MISMATCH");
  expect(await Promise.all(rest)).toEqual([true, true, true]);
  expect(calls).toEqual({ getBlob: 1 });
  const large = testBlob(seededBytes(4_194_305));
  await below.pushBlob(repo, large.descriptor, bytesSource(large.descriptor, large.bytes));
  const readers = [1, 2, 3].map(async () => (await cache.getBlob(repo, large.descriptor.digest)).bytes({ limit: 1e7 }));
  for (const got of await Promise.all(readers)) expect(got.equals(large.bytes)).toBe(true);
});

test("a large blob without a size is read up to the limit of the cache, and then fetched again for its caller", async () => {
  const { descriptor, bytes } = testBlob(seededBytes(3_000));
  let opened = 0;
  const inner = completeRegistry({
    name: "untold",
    getBlob: async () => {
      opened += 1;
      return bytesContent({ digest: descriptor.digest }, bytes, "a blob");
    },
  });
  const cache = registryCache(inner, { maxItemBytes: 1_000 });
  expect((await (await cache.getBlob(repo, descriptor.digest)).bytes()).equals(bytes)).toBe(true);
  expect(opened).toBe(2);
});

test("errors are not cached", async () => {
  const { below, cache } = counted();
  await rejects(cache.getManifest(repo, v1), "MANIFEST_UNKNOWN");
  await pushImage(below, repo, randomImage(), "v1");
  await cache.getManifest(repo, v1);
});

test("callers may change their answers", async () => {
  const { below, cache } = counted();
  const { digest } = await pushImage(below, repo, randomImage(), "v1");
  for (let round = 0; round < 2; round += 1) {
    const { bytes, descriptor } = await cache.getManifest(repo, v1);
    expect(digestOf(bytes)).toBe(digest);
    expect(Object.keys(descriptor).sort()).toEqual(["digest", "mediaType", "size"]);
    bytes.fill(0);
    Object.assign(descriptor, { size: -1, data: "x" });
  }
  const { descriptor, bytes } = testBlob("content");
  await cache.pushBlob(repo, descriptor, bytesSource(descriptor, bytes));
  const resolved = await cache.resolveBlob(repo, descriptor.digest);
  Object.assign(resolved, { size: -1 });
  expect((await cache.resolveBlob(repo, descriptor.digest)).size).toBe(bytes.length);
});

test("tags are cached for a while, digests as long as the cache has room", async () => {
  for (const [tagTtl, believed] of [
    [60_000, true],
    [20, false],
  ] as const) {
    const { below, calls, cache } = counted({ tagTtl });
    await pushImage(below, repo, randomImage({ seed: 1 }), "v1");
    const first = await cache.getManifest(repo, v1);
    const { digest } = await pushImage(below, repo, randomImage({ seed: 2 }), "v1");
    await new Promise((resolve) => setTimeout(resolve, 100));
    const second = await cache.getManifest(repo, v1);
    expect([tagTtl, second.descriptor.digest]).toEqual([tagTtl, believed ? first.descriptor.digest : digest]);
    await cache.getManifest(repo, first.descriptor.digest);
    expect([tagTtl, calls["getManifest"]]).toEqual([tagTtl, believed ? 1 : 2]);
  }
});

test("the cache is never larger than its limit", async () => {
  const { below, calls, cache } = counted({ maxBytes: 250_000 });
  const blobs = [1, 2, 3, 4].map((seed) => testBlob(seededBytes(100_000, seed)));
  for (const { descriptor, bytes } of blobs) await below.pushBlob(repo, descriptor, bytesSource(descriptor, bytes));
  const read = async (at: number): Promise<void> =>
    void (await (await cache.getBlob(repo, blobs[at]!.descriptor)).bytes());
  for (const at of [0, 1, 2, 3]) await read(at);
  expect(calls["getBlob"]).toBe(4);
  await read(3);
  expect(calls["getBlob"]).toBe(4);
  await read(0);
  expect(calls["getBlob"]).toBe(5);
});

test("a claimed digest of a tag gives no cached bytes; the answer to a mount replaces no entry", async () => {
  const { below, calls, cache } = counted();
  const image = randomImage();
  await pushImage(below, repo, image, "v1");
  await cache.resolveManifest(repo, v1);
  await cache.resolveManifest(repo, v1);
  await cache.getManifest(repo, v1);
  expect(calls).toEqual({ resolveManifest: 1, getManifest: 1 });
  const { descriptor } = image.blobs[0]!;
  await cache.resolveBlob(repo, descriptor.digest);
  const told = { mediaType: "", digest: descriptor.digest, size: 0 };
  const resolveBlob: typeof below.resolveBlob = (...args) => below.resolveBlob(...args);
  const vague = registryCache(completeRegistry({ name: "vague", mountBlob: async () => told, resolveBlob }));
  await vague.resolveBlob(repo, descriptor.digest);
  await vague.mountBlob(other, repo, descriptor.digest);
  expect((await vague.resolveBlob(repo, descriptor.digest)).size).toBe(descriptor.size);
});

test("a push adds to the cache; a delete removes the manifest and all its tags", async () => {
  const { calls, cache } = counted();
  const { digest } = await pushImage(cache, repo, randomImage(), "v1");
  const { descriptor } = await cache.getManifest(repo, v1);
  expect([descriptor.digest, descriptor.mediaType, calls["getManifest"]]).toEqual([
    digest,
    mediaTypes.manifest,
    undefined,
  ]);
  await cache.deleteTag(repo, v1);
  await rejects(cache.getManifest(repo, v1), "MANIFEST_UNKNOWN");
  const { bytes } = await cache.getManifest(repo, digest);
  await cache.pushManifest(repo, bytes, descriptor.mediaType, { tags: [v1] });
  await cache.deleteManifest(repo, digest);
  await rejects(cache.getManifest(repo, digest), "MANIFEST_UNKNOWN");
  await rejects(cache.resolveManifest(repo, v1), "MANIFEST_UNKNOWN");
  const blob = testBlob("content");
  await cache.pushBlob(repo, blob.descriptor, bytesSource(blob.descriptor, blob.bytes));
  await (await cache.getBlob(repo, blob.descriptor)).bytes();
  await cache.deleteBlob(repo, blob.descriptor.digest);
  await rejects(cache.resolveBlob(repo, blob.descriptor.digest), "BLOB_UNKNOWN");
});

test("a caller that aborts does not abort the shared request of the others", async () => {
  const { below, cache } = counted();
  await pushImage(below, repo, randomImage(), "v1");
  const stop = new AbortController();
  const reason = new Error("enough");
  const first = cache.getManifest(repo, v1, { signal: stop.signal });
  const second = cache.getManifest(repo, v1);
  stop.abort(reason);
  await expect(first).rejects.toBe(reason);
  expect((await second).descriptor.mediaType).toBe(mediaTypes.manifest);
});
