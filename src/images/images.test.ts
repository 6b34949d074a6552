import { describe, expect, test } from "vitest";
import { temporary } from "../../test/support/temporary.ts";
import { GantryError } from "../base/error.ts";
import { bytesSource } from "../content/index.ts";
import { parseRepoName } from "../reference/index.ts";
import { LayoutRegistry, MemoryRegistry, providerOf } from "../registry/index.ts";
import { type Descriptor, type Digest, digestOf, mediaTypes } from "../spec/index.ts";
import {
  pushImage,
  randomImage,
  rejects,
  seededBytes,
  testBlob,
  testImage,
  testIndex,
  testLayer,
} from "../testing/index.ts";
import { copyImage } from "../transfer/index.ts";
import {
  attestationsOf,
  childrenHandler,
  config,
  dispatch,
  formatFullPlatform,
  formatPlatform,
  type Handler,
  handlers,
  hostPlatform,
  Image,
  manifestForPlatform,
  normalizePlatform,
  parsePlatform,
  platformRank,
  rootFS,
  SkipDesc,
  SkipSiblings,
  StopHandler,
  size,
  walk,
} from "./index.ts";

describe("platforms", () => {
  test.each([
    ["linux/x86_64", "linux/amd64"],
    ["linux/x86-64", "linux/amd64"],
    ["linux/i386", "linux/386"],
    ["linux/aarch64", "linux/arm64"],
    ["linux/arm64/v8", "linux/arm64"],
    ["linux/arm64/8", "linux/arm64"],
    ["linux/arm64/v8.0", "linux/arm64"],
    ["linux/arm64/9", "linux/arm64/v9"],
    ["linux/arm64/v8.2", "linux/arm64/v8.2"],
    ["linux/arm", "linux/arm/v7"],
    ["linux/arm/7", "linux/arm/v7"],
    ["linux/arm/5", "linux/arm/v5"],
    ["linux/armhf", "linux/arm/v7"],
    ["linux/armel", "linux/arm/v6"],
    ["Linux/AMD64/v1", "linux/amd64"],
    ["linux/amd64/v3", "linux/amd64/v3"],
    ["macos/arm64", "darwin/arm64"],
    ["linux/s390x", "linux/s390x"],
    ["windows(10.0.17763)/amd64", "windows/amd64"],
  ])("%s is %s", (text, normal) => expect(formatPlatform(parsePlatform(text))).toBe(normal));

  test("a system or an architecture alone takes the rest from the host", () => {
    const host = hostPlatform();
    expect(parsePlatform("linux")).toMatchObject({ os: "linux", architecture: host.architecture });
    expect(parsePlatform("aarch64")).toEqual({ os: host.os, architecture: "arm64" });
    expect(parsePlatform("armel")).toEqual({ os: host.os, architecture: "arm", variant: "v6" });
  });

  test("versions and features of the system are kept, and written back", () => {
    const platform = parsePlatform("windows(10.0.17763+win32k)/amd64");
    expect(platform).toEqual({
      os: "windows",
      architecture: "amd64",
      "os.version": "10.0.17763",
      "os.features": ["win32k"],
    });
    expect(formatFullPlatform(platform)).toBe("windows(10.0.17763+win32k)/amd64");
    const odd = { os: "linux", architecture: "arm64", "os.version": "a(b)/c%+", "os.features": ["z", "", "b+", "z"] };
    const written = formatFullPlatform(odd);
    expect(written).toBe("linux(a%28b%29%2Fc%25%2B+b%2B+z)/arm64");
    expect(parsePlatform(written)).toEqual({ ...odd, "os.features": ["b+", "z"] });
  });

  test("a platform that is given as text is refused, and the error names parsePlatform", () => {
    for (const given of ["linux/amd64", { os: "linux" }, null, 1] as unknown as Parameters<
      typeof normalizePlatform
    >[0][]) {
      expect(() => normalizePlatform(given)).toThrow(expect.objectContaining({ code: "INVALID_PLATFORM" }));
      expect(() => normalizePlatform(given)).toThrow(/make one from text with parsePlatform/);
    }
  });

  test("an empty system is not filled in", () => {
    expect(normalizePlatform({ os: "", architecture: "x86_64" })).toEqual({ os: "", architecture: "amd64" });
    expect(formatPlatform({ os: "", architecture: "" })).toBe("unknown");
  });

  test.each(["", "linux/", "/amd64", "a/b/c/d", "linux/*", "*", "nosuch", "linux(/amd64", "li nux/amd64", "x(%zz)/y"])(
    "%j is refused",
    (text) => expect(() => parsePlatform(text)).toThrow(/is not a platform/),
  );

  test.each<[string, string, number | undefined]>([
    ["linux/arm/v7", "linux/arm/v7", 0],
    ["linux/arm/v7", "linux/arm/v6", 1],
    ["linux/arm/v7", "linux/arm/v5", 2],
    ["linux/arm/v6", "linux/arm/v7", undefined],
    ["linux/amd64", "linux/amd64/v3", undefined],
    ["linux/amd64/v3", "linux/amd64/v2", 1],
    ["linux/amd64/v3", "linux/amd64", 2],
    ["linux/amd64/v3", "linux/386", 3],
    ["linux/amd64", "linux/386", 1],
    ["linux/386", "linux/amd64", undefined],
    ["linux/amd64", "linux/arm64", undefined],
    ["linux/amd64", "windows/amd64", undefined],
    ["linux/arm64", "linux/arm64/v8", 0],
    ["linux/arm64", "linux/arm/v8", 1],
    ["linux/arm64", "linux/arm/v7", 2],
    ["linux/arm64", "linux/arm/v5", 4],
    ["linux/arm64/v8.2", "linux/arm64/v8.1", 1],
    ["linux/arm64/v8.2", "linux/arm64", 2],
    ["linux/arm64/v8.2", "linux/arm64/v8.3", undefined],
    ["linux/arm64/v9", "linux/arm64/v8.5", 1],
    ["linux/arm64/v9", "linux/arm64/v8.6", undefined],
    ["linux/arm64/v9.2", "linux/arm64/v8.7", 3],
    ["linux/arm64/v9", "linux/arm64", 6],
    ["linux/riscv64", "linux/riscv64", 0],
    ["windows(10.0.17763.1)/amd64", "windows(10.0.17763.9)/amd64", 0],
    ["windows(10.0.17763.1)/amd64", "windows(10.0.20348.1)/amd64", undefined],
    ["windows(10.0.17763.1)/amd64", "windows/amd64", 0],
    ["windows(10.0.20348.1)/amd64", "windows(10.0.17763.1)/amd64", undefined],
    ["windows(10.0.26100.1)/amd64", "windows(10.0.20348.5)/amd64", 0],
    ["windows(10.0.25398.1)/amd64", "windows(10.0.20348.5)/amd64", 0],
    ["windows(10.0.27000.1)/amd64", "windows(10.0.20348.5)/amd64", undefined],
    ["windows(10.0.27000.1)/amd64", "windows(10.0.26100.5)/amd64", 0],
    ["windows(10.0.20348.1)/amd64", "windows(10.0.26100.5)/amd64", undefined],
    ["windows(10.0)/amd64", "windows(10.0.20348.5)/amd64", 0],
    ["windows(10.0.17763)/amd64", "windows(10.1.17763)/amd64", undefined],
    ["linux/amd64/v4294967299", "linux/amd64", undefined],
    ["linux(1.2)/amd64", "linux(1.3)/amd64", 0],
    ["linux/amd64", "linux(+sse)/amd64", undefined],
    ["windows/amd64", "windows(+win32k)/amd64", 0],
  ])("a machine of %s runs %s at rank %s", (wanted, offered, rank) =>
    expect(platformRank(parsePlatform(wanted), parsePlatform(offered))).toBe(rank),
  );

  test("of two images of the same rank, the one that uses more features of the system is better", () => {
    const machine = parsePlatform("linux(+a+b)/amd64");
    const ranks = ["linux/amd64", "linux(+a)/amd64", "linux(+a+b)/amd64"].map(
      (offered) => platformRank(machine, parsePlatform(offered))!,
    );
    expect(ranks).toEqual([...ranks].sort((a, b) => b - a));
    expect(new Set(ranks).size).toBe(3);
  });
});

const repo = parseRepoName("app");
const node = (name: string): Descriptor => ({ mediaType: "application/x", digest: digestOf(name), size: name.length });

/** A graph of named nodes with their children, which records the order of a walk. */
function graph(edges: Record<string, readonly string[]>) {
  const names = new Map(Object.keys(edges).map((name) => [node(name).digest, name]));
  const seen: string[] = [];
  const children: Handler = ({ digest }) => {
    const name = names.get(digest)!;
    seen.push(name);
    return edges[name]!.map(node);
  };
  return { seen, children, nameOf: ({ digest }: Descriptor) => names.get(digest) };
}

describe("handlers", () => {
  const collect = async (handler: Handler): Promise<readonly string[]> =>
    ((await handler(node("x"), { depth: 1 })) ?? []).map(({ digest }) => digest);

  test("a chain returns the children of all its handlers, in order", async () => {
    const chain = handlers(
      () => [node("a")],
      () => undefined,
      async () => [node("b")],
    );
    expect(await collect(chain)).toEqual([node("a").digest, node("b").digest]);
  });

  test.each([
    ["itself", StopHandler],
    ["as a cause", new Error("enough", { cause: new Error("really", { cause: StopHandler }) })],
  ])("StopHandler, %s, keeps the children of earlier handlers and skips the later handlers", async (_name, error) => {
    let reached = false;
    const chain = handlers(
      () => [node("a")],
      () => {
        throw error;
      },
      () => {
        reached = true;
      },
    );
    expect(await collect(chain)).toEqual([node("a").digest]);
    expect(reached).toBe(false);
  });

  test("SkipDesc in a chain also drops the children from earlier handlers", async () => {
    const { seen, children } = graph({ root: ["a", "b"], a: [], b: [] });
    const skip: Handler = () => {
      throw new Error("skipped", { cause: SkipDesc });
    };
    await walk(handlers(children, skip), node("root"));
    expect(seen).toEqual(["root"]);
  });

  test("StopHandler outside a chain is an ordinary error", async () => {
    const stop: Handler = () => {
      throw StopHandler;
    };
    await expect(walk(stop, node("x"))).rejects.toBe(StopHandler);
    await expect(dispatch(stop, node("x"))).rejects.toBe(StopHandler);
  });
});

describe("walk", () => {
  const tree = { root: ["a", "b", "c"], a: ["a1", "a2"], a1: [], a2: [], b: ["b1"], b1: [], c: [] };

  test("visits the children of a descriptor before its siblings", async () => {
    const { seen, children } = graph(tree);
    await walk(children, [node("root")]);
    expect(seen).toEqual(["root", "a", "a1", "a2", "b", "b1", "c"]);
  });

  test("SkipDesc skips the children of a descriptor, and nothing else", async () => {
    const { seen, children, nameOf } = graph(tree);
    const skipA: Handler = (descriptor) => {
      if (nameOf(descriptor) === "a") throw SkipDesc;
    };
    await walk(handlers(children, skipA), node("root"));
    expect(seen).toEqual(["root", "a", "b", "b1", "c"]);
  });

  test("SkipSiblings skips the later siblings too", async () => {
    const { seen, children, nameOf } = graph(tree);
    const skip: Handler = (descriptor) => {
      if (nameOf(descriptor) === "a1") throw SkipSiblings;
    };
    await walk(handlers(children, skip), node("root"));
    expect(seen).toEqual(["root", "a", "a1", "b", "b1", "c"]);
  });

  test("an error ends it, and is thrown unchanged", async () => {
    const { seen, children, nameOf } = graph(tree);
    const error = new Error("no");
    const fail: Handler = (descriptor) => {
      if (nameOf(descriptor) === "b") throw error;
    };
    await expect(walk(handlers(children, fail), node("root"))).rejects.toBe(error);
    expect(seen).toEqual(["root", "a", "a1", "a2", "b"]);
  });

  test("the same content is visited once for each media type", async () => {
    const { seen, children } = graph({ root: ["a", "a", "b"], a: [], b: ["a", "root"] });
    await walk(children, node("root"));
    expect(seen).toEqual(["root", "a", "b"]);
    const typed = { ...node("a"), mediaType: "application/y" };
    const visited: string[] = [];
    await walk(({ mediaType }) => void visited.push(mediaType), [node("a"), typed, node("a")]);
    expect(visited).toEqual(["application/x", "application/y"]);
  });

  test("a negative size is refused, and an aborted signal ends it", async () => {
    await rejects(
      walk(() => {}, { ...node("a"), size: -1 }),
      "INVALID_DOCUMENT",
    );
    const reason = new Error("enough");
    await expect(walk(() => {}, node("a"), { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  });
});

describe("dispatch", () => {
  test("visits every node once, with a bound on concurrent handlers", async () => {
    const names = Array.from({ length: 40 }, (_, at) => `n${at}`);
    const { seen, children } = graph({
      root: names,
      ...Object.fromEntries(names.map((name) => [name, ["root", "n1"]])),
    });
    let running = 0;
    let most = 0;
    const slow: Handler = async () => {
      running += 1;
      most = Math.max(most, running);
      await new Promise((resolve) => setTimeout(resolve, 1));
      running -= 1;
    };
    await dispatch(handlers(slow, children), node("root"), { parallel: 3 });
    expect(seen.sort()).toEqual(["root", ...names].sort());
    expect(most).toBe(3);
  });

  test("works with a bound of 1: a handler has ended before its children start", async () => {
    const { seen, children } = graph({ root: ["a"], a: ["b"], b: ["c"], c: [] });
    await dispatch(children, node("root"), { parallel: 1 });
    expect(seen).toEqual(["root", "a", "b", "c"]);
  });

  test("the first error cancels the others and is thrown once they have ended", async () => {
    const error = new Error("first");
    let cancelled = 0;
    let ended = 0;
    const names = Array.from({ length: 8 }, (_, at) => `n${at}`);
    const { children, nameOf } = graph({ root: names, ...Object.fromEntries(names.map((name) => [name, []])) });
    const work: Handler = async (descriptor, { signal }) => {
      if (nameOf(descriptor) === "root") return;
      if (nameOf(descriptor) === "n3") throw error;
      await new Promise<void>((resolve) => {
        signal!.addEventListener("abort", () => {
          cancelled += 1;
          resolve();
        });
      });
      ended += 1;
      throw new Error("late");
    };
    await expect(dispatch(handlers(work, children), node("root"), { parallel: 8 })).rejects.toBe(error);
    expect([cancelled, ended]).toEqual([7, 7]);
  });

  test("SkipDesc skips its own children only", async () => {
    const { seen, children, nameOf } = graph({ root: ["a", "b"], a: ["a1"], a1: [], b: ["b1"], b1: [] });
    const skip: Handler = (descriptor) => {
      if (nameOf(descriptor) === "a") throw SkipDesc;
    };
    await dispatch(handlers(children, skip), node("root"));
    expect(seen.sort()).toEqual(["a", "b", "b1", "root"]);
  });
});

describe("the graph of an image", () => {
  test("children: manifests of an index; config, then layers of a manifest; none of a config or layer", async () => {
    const registry = new MemoryRegistry();
    const image = randomImage({ sizes: [100, 200] });
    const index = testIndex([image]);
    await pushImage(registry, repo, index);
    const warnings: string[] = [];
    const children = childrenHandler(providerOf(registry, repo), { onWarning: (message) => warnings.push(message) });
    const below = async (descriptor: Descriptor): Promise<readonly Descriptor[]> =>
      (await children(descriptor, { depth: 1 })) ?? [];
    const [manifest] = await below(index.descriptor);
    expect(manifest!.digest).toBe(image.descriptor.digest);
    const parts = await below(manifest!);
    expect(parts.map(({ mediaType }) => mediaType)).toEqual([
      mediaTypes.config,
      mediaTypes.layerGzip,
      mediaTypes.layerGzip,
    ]);
    for (const part of parts) expect(await below(part)).toEqual([]);
    for (const mediaType of [
      mediaTypes.checkpointCriu,
      mediaTypes.foreignLayerZstd,
      mediaTypes.dockerForeignLayerGzip,
      mediaTypes.dockerLayerZstd,
      mediaTypes.emptyJson,
    ])
      expect(await below({ ...parts[1]!, mediaType })).toEqual([]);
    expect(await below({ ...parts[1]!, mediaType: "application/x", urls: ["https://example.org/x"] })).toEqual([]);
    expect(warnings).toEqual([]);
    expect(await below({ ...parts[1]!, mediaType: "application/x-unknown" })).toEqual([]);
    expect(warnings).toEqual([expect.stringContaining("application/x-unknown")]);
  });

  test("attestations of the chosen platform and referrers are children on request", async () => {
    const registry = new LayoutRegistry(await temporary(), { create: true, sparse: true });
    const image = randomImage();
    await pushImage(registry, repo, image);
    const attestation: Descriptor = {
      ...image.descriptor,
      digest: digestOf("attestation"),
      platform: { os: "unknown", architecture: "unknown" },
      annotations: {
        "vnd.docker.reference.type": "attestation-manifest",
        "vnd.docker.reference.digest": image.descriptor.digest,
      },
    };
    const platform = { os: "linux", architecture: "amd64" };
    const other = { ...image.descriptor, digest: digestOf("other"), platform: { os: "linux", architecture: "s390x" } };
    const manifests = [{ ...image.descriptor, platform }, other, attestation];
    const document = testBlob(
      JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.index, manifests }),
      mediaTypes.index,
    );
    const index = await registry.pushManifest(repo, document.bytes, mediaTypes.index);
    const provider = providerOf(registry, repo);
    const signature = node("signature");
    const digests = async (options: Parameters<typeof childrenHandler>[1]): Promise<readonly string[]> =>
      ((await childrenHandler(provider, options)(index, { depth: 1 })) ?? []).map(({ digest }) => digest);
    expect(await digests({})).toEqual(manifests.map(({ digest }) => digest));
    expect(await digests({ platforms: [platform] })).toEqual([image.descriptor.digest]);
    expect(await digests({ platforms: [platform], attestations: true, referrers: () => [signature] })).toEqual([
      image.descriptor.digest,
      attestation.digest,
      signature.digest,
    ]);
    expect(attestationsOf({ schemaVersion: 2, manifests }, other.digest)).toEqual([]);
    await rejects(config(provider, index, {}), "PLATFORM_REQUIRED");
    await expect(config(provider, index)).rejects.toThrow(/choose one of its platforms: linux\/amd64, linux\/s390x/);
  });

  test("config, rootFS and size: size counts each digest once, with manifests and configs, of all platforms", async () => {
    const registry = new MemoryRegistry();
    const layer = testLayer([{ name: "shared", data: seededBytes(100) }]);
    const one = testImage([layer, layer]);
    const two = testImage([layer], { platform: { os: "linux", architecture: "arm64" } });
    const index = testIndex([one, two]);
    await pushImage(registry, repo, index);
    const provider = providerOf(registry, repo);
    const arm64 = parsePlatform("linux/arm64");
    const image = new Image(provider, index.descriptor, { platform: arm64 });
    const { manifest } = await manifestForPlatform(provider, index.descriptor, { platform: arm64 });
    expect(await image.config()).toEqual(manifest.config);
    expect(await image.rootFS()).toEqual(await rootFS(provider, manifest.config));
    expect(await image.rootFS()).toHaveLength(1);
    const documents = [index.descriptor, one.descriptor, two.descriptor];
    const blobs = new Map<string, number>();
    for (const descriptor of [one.descriptor, two.descriptor]) {
      const { bytes } = await registry.getManifest(repo, descriptor.digest);
      const parsed = JSON.parse(bytes.toString()) as { config: Descriptor; layers: Descriptor[] };
      for (const blob of [parsed.config, ...parsed.layers]) blobs.set(blob.digest, blob.size);
    }
    const sum = (sizes: Iterable<number>): number => [...sizes].reduce((total, bytes) => total + bytes, 0);
    const whole = sum(documents.map((descriptor) => descriptor.size)) + sum(blobs.values());
    expect(await size(provider, index.descriptor)).toBe(whole);
    const alone = [index.descriptor, two.descriptor, manifest.config, ...manifest.layers];
    expect(await image.size()).toBe(sum(alone.map((descriptor) => descriptor.size)));
    await rejects(size(provider, { ...one.descriptor, size: -1 }), "INVALID_DOCUMENT");
  });

  test("documents are verified even if the provider does not verify them", async () => {
    const registry = new MemoryRegistry();
    const image = randomImage();
    const other = randomImage({ seed: 9 });
    await pushImage(registry, repo, image);
    await pushImage(registry, repo, other);
    const inner = providerOf(registry, repo);
    const lying = { read: () => inner.read({ ...other.descriptor }) };
    const children = childrenHandler(lying);
    await expect(children(image.descriptor, { depth: 1 })).rejects.toThrow(GantryError);
  });

  test("the image for a platform is found, and the error for a missing one lists the platforms", async () => {
    const registry = new MemoryRegistry();
    const index = testIndex([
      randomImage(),
      randomImage({ seed: 4, platform: { os: "linux", architecture: "arm", variant: "v6" } }),
    ]);
    await pushImage(registry, repo, index);
    const provider = providerOf(registry, repo);
    const found = await manifestForPlatform(provider, index.descriptor, { platform: parsePlatform("linux/arm/v7") });
    expect(found.config.variant).toBe("v6");
    const absent = manifestForPlatform(provider, index.descriptor, { platform: parsePlatform("linux/s390x") });
    await expect(absent).rejects.toThrow(/linux\/amd64, linux\/arm\/v6/);
    await rejects(absent, "PLATFORM_NOT_FOUND");
  });

  test("a document that two parents share, at different depths, is copied before both", async () => {
    const source = new MemoryRegistry();
    const shared = await pushImage(source, repo, randomImage());
    const index = async (manifests: readonly Descriptor[]): Promise<Descriptor> => {
      const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.index, manifests }));
      return source.pushManifest(repo, bytes, mediaTypes.index);
    };
    const plain = ({ mediaType, digest, size: bytes }: Descriptor): Descriptor => ({ mediaType, digest, size: bytes });
    const inner = plain(await index([plain(shared)]));
    const top = await index([plain(shared), inner]);
    const destination = new MemoryRegistry();
    const { documents } = await copyImage(
      { registry: source, repo, reference: top.digest, name: "source" },
      { registry: destination, repo, name: "destination" },
    );
    expect(documents.map(({ digest }) => digest)).toEqual([shared.digest, inner.digest, top.digest]);
  });
});

describe("choosing and copying", () => {
  const linux = (architecture: string) => ({ os: "linux", architecture });
  const plain = ({ mediaType, digest, size: bytes }: Descriptor): Descriptor => ({ mediaType, digest, size: bytes });
  const pushIndex = (registry: MemoryRegistry, manifests: readonly Descriptor[]): Promise<Descriptor> => {
    const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.index, manifests }));
    return registry.pushManifest(repo, bytes, mediaTypes.index);
  };
  const copy = (
    source: MemoryRegistry,
    root: Descriptor,
    options: Parameters<typeof copyImage>[2] = {},
    to?: Digest,
  ) => {
    const destination = { registry: new MemoryRegistry(), repo, name: "destination", reference: to };
    return copyImage({ registry: source, repo, reference: root.digest, name: "source" }, destination, options);
  };

  test("an entry without a platform is opened if no other fits", async () => {
    const registry = new MemoryRegistry();
    const amd64 = plain(await pushImage(registry, repo, randomImage({ seed: 1 })));
    const arm64 = plain(await pushImage(registry, repo, randomImage({ seed: 2, platform: linux("arm64") })));
    const nested = plain(await pushIndex(registry, [{ ...arm64, platform: linux("arm64") }]));
    const top = await pushIndex(registry, [amd64, nested]);
    const provider = providerOf(registry, repo);
    for (const [platform, digest] of [
      ["amd64", amd64.digest],
      ["arm64", arm64.digest],
    ] as const) {
      const found = await manifestForPlatform(provider, top, { platform: linux(platform) });
      expect([platform, found.descriptor.digest]).toEqual([platform, digest]);
      const { documents } = await copy(registry, top, { platforms: [linux(platform)], partial: "manifest" });
      expect(documents.map((it) => it.digest)).toEqual([digest]);
    }
    await rejects(manifestForPlatform(provider, top, { platform: linux("s390x") }), "PLATFORM_NOT_FOUND");
  });

  test("in a nested index, only the platforms are selected that the index was chosen for", async () => {
    const registry = new MemoryRegistry();
    const amd64 = plain(await pushImage(registry, repo, randomImage({ seed: 1 })));
    const arm64 = plain(await pushImage(registry, repo, randomImage({ seed: 2, platform: linux("arm64") })));
    const nested = plain(await pushIndex(registry, [{ ...amd64, platform: linux("amd64") }]));
    const top = await pushIndex(registry, [
      { ...nested, platform: linux("amd64") },
      { ...arm64, platform: linux("arm64") },
    ]);
    const platforms = [linux("amd64"), linux("arm64")];
    const { documents } = await copy(registry, top, { platforms });
    expect(documents.map((it) => it.digest)).toEqual([amd64.digest, nested.digest, arm64.digest, top.digest]);
    const seen: string[] = [];
    const children = childrenHandler(providerOf(registry, repo), { platforms });
    await walk(
      handlers((it) => void seen.push(it.digest), children),
      top,
    );
    for (const digest of [amd64.digest, arm64.digest]) expect(seen).toContain(digest);
  });

  test("a single image of another platform is copied only if the platform is a preference", async () => {
    const registry = new MemoryRegistry();
    const root = await pushImage(registry, repo, randomImage());
    await rejects(copy(registry, root, { platforms: [linux("s390x")] }), "PLATFORM_NOT_FOUND");
    expect((await copy(registry, root, { platforms: [linux("s390x")], preferred: true })).descriptor.digest).toBe(
      root.digest,
    );
  });

  test("a destination with another digest is refused before anything is sent", async () => {
    const registry = new MemoryRegistry();
    const root = await pushImage(registry, repo, randomImage());
    await rejects(copy(registry, root, {}, digestOf("other")), "DIGEST_MISMATCH");
    expect((await copy(registry, root, {}, root.digest)).descriptor.digest).toBe(root.digest);
  });

  test("blobs with urls are copied if the source has them, and manifests of unknown types are passed on", async () => {
    const registry = new MemoryRegistry();
    const urls = ["https://example.org/x"];
    const here = testBlob(seededBytes(100, 1), mediaTypes.layer);
    const away = testBlob(seededBytes(100, 2), mediaTypes.layer);
    const config_ = testBlob(JSON.stringify({ rootfs: { type: "layers", diff_ids: [] } }), mediaTypes.config);
    for (const { descriptor, bytes } of [here, config_])
      await registry.pushBlob(repo, descriptor, bytesSource(descriptor, bytes));
    const layers = [here, away].map(({ descriptor }) => ({ ...descriptor, urls }));
    const document = {
      schemaVersion: 2,
      mediaType: mediaTypes.manifest,
      config: { ...config_.descriptor, urls },
      layers,
    };
    const image = plain(await registry.pushManifest(repo, Buffer.from(JSON.stringify(document)), mediaTypes.manifest));
    const thing = plain(
      await registry.pushManifest(repo, Buffer.from('{"a":1}'), "application/vnd.example.thing+json"),
    );
    const top = await pushIndex(registry, [image, thing]);
    const destination = new MemoryRegistry();
    await copyImage(
      { registry, repo, reference: top.digest, name: "source" },
      { registry: destination, repo, name: "destination" },
    );
    for (const { descriptor } of [here, config_])
      expect((await destination.resolveBlob(repo, descriptor.digest)).size).toBe(descriptor.size);
    expect((await destination.getManifest(repo, thing.digest)).bytes.toString()).toBe('{"a":1}');
  });

  test("one digest with two sizes is an error, whichever comes first", async () => {
    const one = node("x");
    for (const list of [
      [one, { ...one, size: 5 }],
      [{ ...one, mediaType: "application/y", size: 5 }, one],
    ])
      for (const go of [walk, dispatch])
        await rejects(
          go(() => {}, list),
          "SIZE_MISMATCH",
        );
  });

  test("too many children are refused before they are handled, and a wrong `parallel` at once", async () => {
    const crowd = Array.from({ length: 200_000 }, (_, at) => node(`n${at}`));
    let handled = 0;
    const children: Handler = ({ digest }) => {
      handled += 1;
      return digest === node("root").digest ? crowd : [];
    };
    for (const go of [walk, dispatch]) await rejects(go(handlers(children), node("root")), "LIMIT_EXCEEDED");
    expect(handled).toBe(2);
    for (const parallel of [Number.NaN, 0, -1, 1.5, Number.POSITIVE_INFINITY])
      await rejects(dispatch(children, node("root"), { parallel }), "USAGE");
  });
});
