import { join } from "node:path";
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { parseRepoName, parseTag } from "../src/reference/index.ts";
import { MemoryRegistry } from "../src/registry/index.ts";
import { mediaTypes } from "../src/spec/index.ts";
import {
  pushImage,
  randomImage,
  startTestRegistry,
  type TestRegistry,
  testBlob,
  testIndex,
} from "../src/testing/index.ts";
import { config, copy, inspect, manifest, pull, resolve, Store, tag, unpack } from "../src/verbs/index.ts";
import { temporary } from "./support/temporary.ts";

const amd64 = { os: "linux", architecture: "amd64" };
const arm64 = { os: "linux", architecture: "arm64" };
const single = randomImage({ seed: 1, platform: amd64 });
const index = testIndex([single, randomImage({ seed: 5, platform: arm64 })]);

let server: TestRegistry;
beforeEach(async () => {
  server = await startTestRegistry({ registry: new MemoryRegistry() });
  onTestFinished(() => server.close());
  await pushImage(server.registry, "app", single, "single");
  await pushImage(server.registry, "app", index, "index");
});

/** The references of the manifests that were fetched. Fails if one was fetched twice. */
function fetched(): string[] {
  return server.requests
    .filter(({ method, path }) => method === "GET" && path.includes("/app/manifests/"))
    .map(({ path }) => path.split("/").at(-1)!);
}

async function store(): Promise<Store> {
  const made = new Store(await temporary());
  onTestFinished(() => made.close());
  return made;
}

const one = ["single"];
const chosen = ["index", single.descriptor.digest];
const all = ["index", ...index.documents.slice(0, -1).map(({ descriptor }) => descriptor.digest)];

describe("each manifest is fetched once", () => {
  test.each([
    ["of a single image", "single", [amd64], one],
    ["of one platform of an index", "index", [amd64], chosen],
    ["of all platforms", "index", "all", all],
  ] as const)("by a pull %s", async (_title, name, platforms, expected) => {
    await pull(`${server.host}/app:${name}`, { store: await store(), platforms });
    expect(fetched()).toEqual(expected);
  });

  test.each([
    ["of a single image", "single", "all", one],
    ["of a single image that must be for a platform", "single", [amd64], one],
    ["of one platform of an index", "index", [amd64], chosen],
    ["of all platforms", "index", "all", all],
  ] as const)("by a copy %s", async (_title, name, platforms, expected) => {
    const target = join(await temporary(), "layout");
    await copy(`${server.host}/app:${name}`, `oci:${target}:v1`, { platforms });
    expect(fetched()).toEqual(expected);
  });

  test("by an unpack into an empty store, and not at all if the store has the image", async () => {
    const options = { store: await store(), platform: amd64 };
    await unpack(`${server.host}/app:index`, join(await temporary(), "rootfs"), options);
    expect(fetched()).toEqual(chosen);
    await unpack(`${server.host}/app:index`, join(await temporary(), "rootfs"), options);
    expect(fetched()).toEqual(chosen);
  });

  test("by commands that show an image, as is its configuration", async () => {
    const rows: [string, () => Promise<unknown>, readonly string[], number][] = [
      ["inspect", () => inspect(`${server.host}/app:index`), all, 2],
      ["inspect one", () => inspect(`${server.host}/app:index`, { platform: amd64 }), chosen, 1],
      ["inspect a single image", () => inspect(`${server.host}/app:single`), one, 1],
      ["config", () => config(`${server.host}/app:index`, { platform: amd64 }), chosen, 1],
      ["config of a single image", () => config(`${server.host}/app:single`, { platform: amd64 }), one, 1],
      ["manifest", () => manifest(`${server.host}/app:index`), ["index"], 0],
      ["manifest of a platform", () => manifest(`${server.host}/app:index`, { platform: amd64 }), chosen, 1],
      ["digest of a platform", () => resolve(`${server.host}/app:index`, { platform: amd64 }), chosen, 1],
      ["tag", () => tag(`${server.host}/app:index`, ["more"]), ["index"], 0],
    ];
    for (const [title, look, expected, configs] of rows) {
      server.requests.length = 0;
      await look();
      const blobs = server.requests.filter(({ method, path }) => method === "GET" && path.includes("/blobs/")).length;
      expect([title, fetched(), blobs]).toEqual([title, expected, configs]);
    }
  });

  test("even if an index names no platforms, and every entry has to be read", async () => {
    const entries = index.documents.slice(0, -1).map(({ descriptor }) => descriptor);
    const plain = testBlob(
      JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.index, manifests: entries }),
      mediaTypes.index,
    );
    await server.registry.pushManifest(parseRepoName("app"), plain.bytes, mediaTypes.index, {
      tags: [parseTag("plain")],
    });
    await pull(`${server.host}/app:plain`, { store: await store(), platforms: [arm64] });
    expect(fetched()).toEqual(["plain", ...entries.map(({ digest }) => digest)]);
  });
});
