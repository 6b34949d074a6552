import { expect, test } from "vitest";
import { type Body, Content } from "../content/content.ts";
import { bytesSource } from "../content/source.ts";
import { parseRepoName, parseTag } from "../reference/reference.ts";
import { digestOf } from "../spec/digest.ts";
import type { Descriptor } from "../spec/types.ts";
import { pushImage, randomImage, rejects, startTestRegistry, testBlob } from "../testing/index.ts";
import { completeRegistry } from "./complete.ts";
import { expectedOf } from "./expected.ts";
import { MemoryRegistry } from "./memory/memory.ts";
import { blobUnknown } from "./refusals.ts";
import type { Registry, RegistryReader } from "./registry.ts";
import { RemoteRegistry } from "./remote/remote.ts";

const repo = parseRepoName("app");
const v1 = parseTag("v1");
const digest = digestOf("absent");

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

/** A reader whose methods need their own `this`. */
class Reader implements RegistryReader {
  readonly name = "reader";
  readonly #registry: Registry;

  constructor(registry: Registry) {
    this.#registry = registry;
  }

  getManifest: Registry["getManifest"] = (...args) => this.#registry.getManifest(...args);

  getBlob(...args: Parameters<Registry["getBlob"]>) {
    return this.#registry.getBlob(...args);
  }

  getBlobRange(...args: Parameters<Registry["getBlobRange"]>) {
    return this.#registry.getBlobRange(...args);
  }

  resolveManifest(...args: Parameters<Registry["resolveManifest"]>) {
    return this.#registry.resolveManifest(...args);
  }

  resolveBlob(...args: Parameters<Registry["resolveBlob"]>) {
    return this.#registry.resolveBlob(...args);
  }
}

test("a completed reader refuses all other methods", async () => {
  const below = new MemoryRegistry();
  const image = randomImage();
  await pushImage(below, repo, image, "v1");
  const registry = completeRegistry(new Reader(below));
  expect(registry.name).toBe("reader");
  expect((await registry.getManifest(repo, v1)).descriptor.digest).toBe(image.descriptor.digest);
  const { descriptor, bytes } = image.blobs[0]!;
  expect((await (await registry.getBlob(repo, descriptor)).bytes()).equals(bytes)).toBe(true);
  expect((await registry.resolveBlob(repo, descriptor.digest)).size).toBe(bytes.length);
  await rejects(registry.pushBlob(repo, descriptor, bytesSource(descriptor, bytes)), "UNSUPPORTED");
  await rejects(registry.openUpload(repo), "UNSUPPORTED");
  await rejects(registry.mountBlob(repo, repo, digest), "UNSUPPORTED");
  await rejects(registry.pushManifest(repo, bytes, "text/plain"), "UNSUPPORTED");
  await rejects(registry.deleteBlob(repo, digest), "UNSUPPORTED");
  await rejects(registry.deleteManifest(repo, digest), "UNSUPPORTED");
  await rejects(registry.deleteTag(repo, v1), "UNSUPPORTED");
  for (const list of [registry.repositories(), registry.tags(repo), registry.referrers(repo, digest)]) {
    await rejects(all<string | Descriptor>(list), "UNSUPPORTED");
  }
  await expect(all(registry.tags(repo))).rejects.toThrow("reader does not support listing tags");
  await registry.close();
});

test("an object with only a name refuses every method; an undefined field counts as missing", async () => {
  const registry = completeRegistry({ name: "nothing", getBlob: undefined });
  const { descriptor } = testBlob("x");
  await rejects(registry.getManifest(repo, v1), "UNSUPPORTED");
  await rejects(registry.getBlob(repo, digest), "UNSUPPORTED");
  await rejects(registry.getBlobRange(repo, descriptor, { start: 0, end: 1 }), "UNSUPPORTED");
  await rejects(registry.resolveManifest(repo, v1), "UNSUPPORTED");
  await rejects(registry.resolveBlob(repo, digest), "UNSUPPORTED");
});

test("a reader without resolving methods resolves with those that get, and closes the content", async () => {
  const below = new MemoryRegistry();
  const image = randomImage();
  await pushImage(below, repo, image, "v1");
  const { descriptor } = image.blobs[0]!;
  let [opened, closed] = [0, 0];
  const body: Body = {
    async pump() {
      throw new Error("a blob that is resolved is not read");
    },
    close() {
      closed += 1;
    },
  };
  const registry = completeRegistry({
    name: "two",
    getManifest: (repo, reference) => below.getManifest(repo, reference),
    async getBlob(repo, blob) {
      opened += 1;
      const { digest } = expectedOf(blob);
      if (digest === descriptor.digest) return new Content({ digest, size: descriptor.size }, body, { what: "sized" });
      throw blobUnknown("two", repo, digest);
    },
  });
  expect(await registry.resolveManifest(repo, v1)).toEqual(await below.resolveManifest(repo, v1));
  await rejects(registry.resolveManifest(repo, parseTag("absent")), "MANIFEST_UNKNOWN");
  expect(await registry.resolveBlob(repo, descriptor.digest)).toEqual({
    mediaType: "application/octet-stream",
    digest: descriptor.digest,
    size: descriptor.size,
  });
  expect([opened, closed]).toEqual([1, 1]);
  await rejects(registry.resolveBlob(repo, digest), "BLOB_UNKNOWN");
  await rejects(registry.getBlobRange(repo, descriptor, { start: 0, end: 1 }), "UNSUPPORTED");

  const sizeless = completeRegistry({
    name: "sizeless",
    getBlob: async () => new Content({ digest }, body, { what: "no size" }),
  });
  await rejects(sizeless.resolveBlob(repo, digest), "UNSUPPORTED");
  expect(closed).toBe(2);
});

test("a complete registry is returned unchanged", () => {
  const registry = new MemoryRegistry();
  expect(completeRegistry(registry)).toBe(registry);
});

test("a server over a completed lister passes its refusals to the client", async () => {
  const registry = completeRegistry({
    name: "tags",
    async *tags() {
      yield v1;
    },
  });
  await using server = await startTestRegistry({ registry });
  const client = new RemoteRegistry(server.host, { backoff: 1 });
  expect(await all(client.tags(repo))).toEqual(["v1"]);
  await rejects(client.getManifest(repo, v1), "UNSUPPORTED");
  await rejects(client.deleteTag(repo, v1), "UNSUPPORTED");
  await client.close();
});
