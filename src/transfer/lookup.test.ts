import { describe, expect, test } from "vitest";
import { parseRef, parseRepoName } from "../reference/index.ts";
import { MemoryRegistry, RemoteRegistry } from "../registry/index.ts";
import { digestOf } from "../spec/index.ts";
import { pushImage, randomImage, rejects, startTestRegistry } from "../testing/index.ts";
import { lookup } from "./index.ts";

const repository = parseRepoName("team/app");

describe("lookup", () => {
  test("the default tag is latest; a digest wins over a tag; the content is read once", async () => {
    const registry = new MemoryRegistry();
    const latest = await pushImage(registry, repository, randomImage({ seed: 1 }), "latest");
    const other = await pushImage(registry, repository, randomImage({ seed: 2 }), "other");
    const digestFor = async (text: string): Promise<string | undefined> => {
      const found = await lookup(registry, parseRef(`reg.example/${text}`));
      await found?.content?.cancel();
      return found?.descriptor.digest;
    };
    expect(await digestFor("team/app")).toBe(latest.digest);
    expect(await digestFor("team/app:other")).toBe(other.digest);
    expect(await digestFor(`team/app:latest@${other.digest}`)).toBe(other.digest);
    const found = await lookup(registry, { repository });
    expect(digestOf(await found!.content!.bytes())).toBe(latest.digest);
    const head = await lookup(registry, { repository }, { head: true });
    expect([head!.descriptor.digest, head!.content]).toEqual([latest.digest, undefined]);
  });

  test("blobs are looked up by digest", async () => {
    const registry = new MemoryRegistry();
    const image = randomImage();
    await pushImage(registry, repository, image, "v1");
    const { descriptor, bytes } = image.blobs[0]!;
    const { digest } = descriptor;
    const found = await lookup(registry, { repository, digest }, { type: "blob" });
    expect((await found!.content!.bytes()).equals(bytes)).toBe(true);
    expect((await lookup(registry, { repository, digest }, { type: "blob", head: true }))!.descriptor.size).toBe(
      bytes.length,
    );
    expect(await lookup(registry, { repository, digest: digestOf("x") }, { type: "blob" })).toBeUndefined();
    await rejects(lookup(registry, { repository }, { type: "blob" }), "USAGE");
  });

  test("an unknown type is refused", async () => {
    const registry = new MemoryRegistry();
    await pushImage(registry, repository, randomImage(), "latest");
    for (const type of ["index", "Blob", "", null]) {
      await rejects(lookup(registry, { repository }, { type: type as "blob" }), "USAGE");
    }
  });

  test.each([
    [404, "MANIFEST_UNKNOWN"],
    [401, "UNAUTHORIZED"],
    [403, "DENIED"],
  ])("where the registry answers %i, the result is undefined, and onAbsent gets the reason", async (status, code) => {
    await using server = await startTestRegistry({ faults: [{ on: { kind: "status", status }, path: /manifests/ }] });
    const registry = new RemoteRegistry(server.host, { backoff: 1 });
    for (const head of [true, false]) {
      const reasons: string[] = [];
      expect(
        await lookup(registry, { repository }, { head, onAbsent: (reason) => reasons.push(reason.code) }),
      ).toBeUndefined();
      expect(reasons).toEqual([code]);
    }
    await registry.close();
  });

  test("any other error is thrown", async () => {
    for (const status of [429, 500, 400]) {
      await using server = await startTestRegistry({
        faults: [{ on: { kind: "status", status, retryAfter: "0" }, path: /manifests/ }],
      });
      const registry = new RemoteRegistry(server.host, { backoff: 1 });
      await expect(lookup(registry, { repository })).rejects.toMatchObject({ name: "GantryError" });
      await registry.close();
    }
  });
});
