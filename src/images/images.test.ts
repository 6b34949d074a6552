import { describe, expect, test } from "vitest";
import { parseRepoName } from "../reference/index.ts";
import { MemoryRegistry, providerOf } from "../registry/index.ts";
import { mediaTypes } from "../spec/index.ts";
import { pushImage, randomImage, rejects, testBlob, testIndex } from "../testing/index.ts";
import { formatPlatform, parsePlatform, platformRank, resolveImage, walkDocuments } from "./index.ts";

describe("platforms", () => {
  test.each([
    ["linux/x86_64", "linux/amd64"],
    ["linux/aarch64", "linux/arm64"],
    ["linux/arm64/v8", "linux/arm64"],
    ["linux/arm", "linux/arm/v7"],
    ["linux/armel", "linux/arm/v6"],
    ["Linux/AMD64/v1", "linux/amd64"],
    ["macos/arm64", "darwin/arm64"],
    ["linux/i386", "linux/386"],
  ])("%s is %s", (text, normal) => expect(formatPlatform(parsePlatform(text))).toBe(normal));

  test("an arm machine runs lower variants, the closest first, and never higher ones", () => {
    const rank = (wanted: string, offered: string): number | undefined =>
      platformRank(parsePlatform(wanted), parsePlatform(offered));
    expect(rank("linux/arm/v7", "linux/arm/v7")).toBe(0);
    expect(rank("linux/arm/v7", "linux/arm/v6")).toBe(1);
    expect(rank("linux/arm/v6", "linux/arm/v7")).toBeUndefined();
    expect(rank("linux/amd64", "linux/amd64/v3")).toBeUndefined();
    expect(rank("linux/amd64/v3", "linux/amd64")).toBe(2);
    expect(rank("linux/amd64", "linux/arm64")).toBeUndefined();
  });
});

describe("the graph", () => {
  const repo = parseRepoName("app");

  test("an index that lists its child twice over many levels is read once a level, and too many levels are refused", async () => {
    const registry = new MemoryRegistry();
    let top = await pushImage(registry, repo, randomImage());
    let reads = 0;
    const inner = providerOf(registry, repo);
    const provider = {
      read: (...args: Parameters<typeof inner.read>) => {
        reads += 1;
        return inner.read(...args);
      },
    };
    for (let level = 0; level < 7; level += 1) {
      const { platform: _platform, ...entry } = top;
      const document = testBlob(
        JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.index, manifests: [entry, entry] }),
        mediaTypes.index,
      );
      top = await registry.pushManifest(repo, document.bytes, mediaTypes.index);
    }
    const walked: string[] = [];
    for await (const { descriptor } of walkDocuments(provider, top)) walked.push(descriptor.digest);
    expect(walked).toHaveLength(8);
    expect(reads).toBe(8);
    const document = testBlob(
      JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.index, manifests: [top] }),
      mediaTypes.index,
    );
    const deeper = await registry.pushManifest(repo, document.bytes, mediaTypes.index);
    await rejects(async () => {
      for await (const _ of walkDocuments(provider, deeper));
    }, "LIMIT_EXCEEDED");
  });

  test("the image for a platform is found, and a missing one names those there are", async () => {
    const registry = new MemoryRegistry();
    const index = testIndex([
      randomImage(),
      randomImage({ seed: 4, platform: { os: "linux", architecture: "arm", variant: "v6" } }),
    ]);
    await pushImage(registry, repo, index);
    const provider = providerOf(registry, repo);
    const found = await resolveImage(provider, index.descriptor, { platform: parsePlatform("linux/arm/v7") });
    expect(found.config.variant).toBe("v6");
    await rejects(
      resolveImage(provider, index.descriptor, { platform: parsePlatform("linux/s390x") }),
      "PLATFORM_NOT_FOUND",
    );
    await expect(resolveImage(provider, index.descriptor, { platform: parsePlatform("linux/s390x") })).rejects.toThrow(
      /linux\/amd64, linux\/arm\/v6/,
    );
  });
});
