import { describe, expect, test } from "vitest";
import { defaultLimits } from "../base/limits.ts";
import type { Provider } from "../content/index.ts";
import { parseRepoName } from "../reference/index.ts";
import { MemoryRegistry, providerOf } from "../registry/index.ts";
import { type Descriptor, digestOf, emptyJsonDescriptor, mediaTypes, validateDescriptor } from "../spec/index.ts";
import { pushImage, randomImage, rejects, testBlob } from "../testing/index.ts";
import { childrenHandler, dispatch, readConfig, readDocument, walk } from "./index.ts";

const repo = parseRepoName("app");

function counted(inner: Provider): { provider: Provider; reads: () => number } {
  let reads = 0;
  const provider: Provider = {
    read: (...args) => {
      reads += 1;
      return inner.read(...args);
    },
  };
  return { provider, reads: () => reads };
}

describe("hostile image graphs", () => {
  test("M7 embedded data is verified as if it had been fetched, and bounded", async () => {
    const never: Provider = {
      read: () => {
        throw new Error("read");
      },
    };
    const text = JSON.stringify({ architecture: "amd64", os: "linux", rootfs: { type: "layers", diff_ids: [] } });
    const blob = testBlob(text, mediaTypes.config);
    const data = Buffer.from(text).toString("base64");
    const manifest = (config: Descriptor) => ({ schemaVersion: 2 as const, config, layers: [] });
    expect((await readConfig(never, manifest({ ...blob.descriptor, data }))).os).toBe("linux");
    const wrong: [string, string][] = [
      [Buffer.from(text.replace("linux", "darwi")).toString("base64"), "DIGEST_MISMATCH"],
      [Buffer.from(`${text} `).toString("base64"), "SIZE_MISMATCH"],
      ["", "SIZE_MISMATCH"],
      ["%%%%", "INVALID_DOCUMENT"],
      [data.slice(0, -1), "INVALID_DOCUMENT"],
    ];
    for (const [bad, code] of wrong) {
      const descriptor = { ...blob.descriptor, data: bad };
      await rejects(readConfig(never, manifest(descriptor)), code as "DIGEST_MISMATCH");
      expect(validateDescriptor(descriptor)).toHaveLength(1);
    }
    const document = testBlob(JSON.stringify(manifest(emptyJsonDescriptor)), mediaTypes.manifest);
    const embedded = { ...document.descriptor, data: Buffer.from(document.bytes).toString("base64") };
    expect((await readDocument(never, embedded)).document.kind).toBe("manifest");
    const large = Buffer.alloc(defaultLimits.metadataBytes + 1, 0x20);
    const huge = {
      mediaType: mediaTypes.config,
      digest: digestOf(large),
      size: large.length,
      data: large.toString("base64"),
    };
    await rejects(readConfig(never, manifest(huge)), "LIMIT_EXCEEDED");
    await rejects(readConfig(never, manifest({ ...huge, size: 2 })), "LIMIT_EXCEEDED");
  });

  test("M8 a graph that doubles at each level, or runs in circles, costs each document once", async () => {
    const registry = new MemoryRegistry();
    let top: Descriptor = await pushImage(registry, repo, randomImage());
    for (let level = 0; level < 29; level += 1) {
      const { mediaType, digest, size } = top;
      const entry = { mediaType, digest, size };
      const bytes = Buffer.from(
        JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.index, manifests: [entry, entry] }),
      );
      top = await registry.pushManifest(repo, bytes, mediaTypes.index);
    }
    const deep = { ...defaultLimits, graphDepth: 30 };
    for (const go of [walk, dispatch]) {
      const { provider, reads } = counted(providerOf(registry, repo));
      await go(childrenHandler(provider), top, { limits: deep });
      expect(reads()).toBe(30);
      await rejects(go(childrenHandler(provider), top), "LIMIT_EXCEEDED");
      await rejects(go(childrenHandler(provider), top, { limits: { ...deep, graphNodes: 20 } }), "LIMIT_EXCEEDED");
      await rejects(go(childrenHandler(provider), top, { limits: { ...deep, graphBytes: 2000 } }), "LIMIT_EXCEEDED");
    }
    // A refers to B, and B to A.
    const a = await pushImage(registry, repo, randomImage({ seed: 1 }));
    const b = await pushImage(registry, repo, randomImage({ seed: 2 }));
    const { provider, reads } = counted(providerOf(registry, repo));
    const referrers = (subject: string): Descriptor[] => (subject === a.digest ? [b] : [a]);
    await walk(childrenHandler(provider, { referrers }), a);
    expect(reads()).toBe(2);
  });
});
