import { cpSync, existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { skopeo } from "../../../test/support/peers.ts";
import { temporary } from "../../../test/support/temporary.ts";
import type { GantryError } from "../../base/error.ts";
import { parseRepoName, parseTag } from "../../reference/index.ts";
import { LayoutRegistry, providerOf, type Registry } from "../../registry/index.ts";
import { mediaTypes } from "../../spec/index.ts";
import {
  pushImage,
  randomImage,
  rejects,
  startTestRegistry,
  type TestBlob,
  type TestImage,
  testBlob,
  testIndex,
} from "../../testing/index.ts";
import { copyImage } from "../../transfer/copy.ts";
import { Store } from "../store.ts";
import { isServedLayout, ServedLayout } from "./layout.ts";

const one = parseRepoName("team/one");
const two = parseRepoName("team/two");
const latest = parseTag("latest");

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

/** An artifact that refers to an image. */
function referrerOf(image: TestImage, name = "signature"): TestImage {
  const config = testBlob("{}", mediaTypes.emptyJson);
  const document = testBlob(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: mediaTypes.manifest,
      artifactType: `application/vnd.example.${name}`,
      config: config.descriptor,
      layers: [config.descriptor],
      subject: image.documents.at(-1)!.descriptor,
    }),
    mediaTypes.manifest,
  );
  return { blobs: [config], documents: [document], descriptor: document.descriptor };
}

interface Served {
  readonly registry: Registry;
  /** Opens it again, as another process would. */
  reopen(): Promise<Served>;
  readonly directory: string;
}

async function servedLayout(directory?: string): Promise<Served> {
  const at = directory ?? join(await temporary(), "layout");
  const registry = new ServedLayout(at);
  return {
    registry,
    directory: at,
    async reopen() {
      await registry.close();
      return servedLayout(at);
    },
  };
}

async function servedStore(directory?: string): Promise<Served> {
  const at = directory ?? join(await temporary(), "store");
  const store = new Store(at);
  const registry = await store.serve();
  return {
    registry,
    directory: at,
    async reopen() {
      await registry.close();
      await store.close();
      return servedStore(at);
    },
  };
}

describe.each([
  ["a layout", servedLayout],
  ["a store", servedStore],
] as const)("%s that is served", (kind, serve) => {
  test("shows in a repository no content of another one, also after it is opened again", async () => {
    let { registry, reopen } = await serve();
    const image = randomImage();
    await pushImage(registry, one, image, "v1");
    for (let times = 0; times < 2; times += 1) {
      const [blob] = image.blobs;
      await rejects(registry.resolveBlob(two, blob!.descriptor.digest), "BLOB_UNKNOWN");
      await rejects(registry.getBlob(two, blob!.descriptor), "BLOB_UNKNOWN");
      await rejects(registry.getBlobRange(two, blob!.descriptor, { start: 0, end: 1 }), "BLOB_UNKNOWN");
      await rejects(registry.getManifest(two, image.descriptor.digest), "MANIFEST_UNKNOWN");
      await rejects(registry.resolveManifest(two, parseTag("v1")), "MANIFEST_UNKNOWN");
      const manifest = image.documents[0]!;
      const refused = registry.pushManifest(two, manifest.bytes, mediaTypes.manifest);
      await rejects(refused, "MANIFEST_BLOB_UNKNOWN");
      await rejects(all(registry.tags(two)), "NAME_UNKNOWN");
      await rejects(registry.mountBlob(two, one, blob!.descriptor.digest), "BLOB_UNKNOWN");
      expect((await registry.getManifest(one, parseTag("v1"))).bytes.equals(manifest.bytes)).toBe(true);
      ({ registry, reopen } = await reopen());
    }
    await registry.close();
  });

  test("deletes from one repository only", async () => {
    const { registry } = await serve();
    const image = randomImage();
    await pushImage(registry, one, image, "v1");
    await pushImage(registry, two, image, "v1");
    const layer = image.blobs.at(-1)!.descriptor;
    await registry.deleteBlob(one, layer.digest);
    await registry.deleteManifest(one, image.descriptor.digest);
    await rejects(registry.getBlob(one, layer), "BLOB_UNKNOWN");
    await rejects(registry.getManifest(one, parseTag("v1")), "MANIFEST_UNKNOWN");
    await rejects(registry.deleteManifest(one, image.descriptor.digest), "MANIFEST_UNKNOWN");
    expect((await (await registry.getBlob(two, layer)).bytes()).length).toBe(layer.size);
    expect((await registry.getManifest(two, parseTag("v1"))).descriptor.digest).toBe(image.descriptor.digest);
    expect(await all(registry.tags(one))).toEqual([]);
    await registry.close();
  });

  test("keeps referrers per repository, when an index lists their subject, and when they are copied", async () => {
    const { registry, reopen } = await serve();
    const image = randomImage();
    const signature = referrerOf(image);
    const sbom = referrerOf(image, "sbom");
    await pushImage(registry, one, image);
    for (const referrer of [signature, sbom]) await pushImage(registry, one, referrer);
    await pushImage(registry, one, testIndex([image, signature]), "all");
    const again = await reopen();
    const found = await all(again.registry.referrers(one, image.descriptor.digest));
    const digests = [signature, sbom].map(({ descriptor }) => descriptor.digest).sort();
    expect(found.map(({ digest }) => digest)).toEqual(digests);
    expect(found.every(({ artifactType }) => artifactType?.startsWith("application/vnd.example."))).toBe(true);
    const filtered = all(
      again.registry.referrers(one, image.descriptor.digest, { artifactType: "application/vnd.example.sbom" }),
    );
    expect((await filtered).map(({ digest }) => digest)).toEqual([sbom.descriptor.digest]);
    expect(await all(again.registry.referrers(two, image.descriptor.digest))).toEqual([]);
    await pushImage(again.registry, two, image, "v1");
    await pushImage(again.registry, two, signature);
    const copied = await all(again.registry.referrers(two, image.descriptor.digest));
    expect(copied.map(({ digest }) => digest)).toEqual([signature.descriptor.digest]);
    await again.registry.close();
  });

  test("lists in pages after any name, and lists nothing of an empty repository", async () => {
    const { registry } = await serve();
    expect(await all(registry.repositories())).toEqual([]);
    expect(await all(registry.referrers(one, randomImage().descriptor.digest))).toEqual([]);
    const image = randomImage();
    const tags = Array.from({ length: 1200 }, (_, at) => parseTag(`v${String(at).padStart(4, "0")}`));
    await pushImage(registry, one, image);
    await registry.pushManifest(one, image.documents[0]!.bytes, mediaTypes.manifest, { tags });
    expect(await all(registry.tags(one))).toEqual(tags);
    expect(await all(registry.tags(one, { after: "v1100" }))).toEqual(tags.slice(1101));
    expect(await all(registry.tags(one, { after: "z" }))).toEqual([]);
    await pushImage(registry, two, image, "v1");
    const [first, second] = await all(registry.repositories());
    expect([first, second].map((name) => name?.replace("docker.io/", ""))).toEqual([one, two]);
    expect(await all(registry.repositories({ after: first }))).toEqual([second]);
    await registry.close();
  }, 120_000);

  test("reports each missing child once, and at most a hundred", async () => {
    const { registry } = await serve();
    const missing = async (layers: readonly TestBlob["descriptor"][]): Promise<unknown> => {
      const config = testBlob("{}", mediaTypes.config).descriptor;
      const document = { schemaVersion: 2, mediaType: mediaTypes.manifest, config, layers };
      const pushed = registry.pushManifest(one, Buffer.from(JSON.stringify(document)), mediaTypes.manifest);
      return pushed.catch((error: GantryError) => [error.code, (error.details["missing"] as string[]).length]);
    };
    const layer = (at: number): TestBlob["descriptor"] => testBlob(`layer ${at}`, mediaTypes.layer).descriptor;
    expect(await missing(Array.from({ length: 300 }, () => layer(1)))).toEqual(["MANIFEST_BLOB_UNKNOWN", 2]);
    expect(await missing(Array.from({ length: 300 }, (_, at) => layer(at)))).toEqual(["MANIFEST_BLOB_UNKNOWN", 100]);
    await registry.close();
  });

  test(`frees bytes when no repository has them${kind === "a store" ? ", by its garbage collection" : ""}`, async () => {
    const { registry, directory, reopen } = await serve();
    const [image, other] = [randomImage({ seed: 1 }), randomImage({ seed: 50 })];
    const signature = referrerOf(image);
    await pushImage(registry, one, image);
    await pushImage(registry, one, signature);
    await pushImage(registry, two, other, "v1");
    const collect = async (): Promise<void> => {
      if (kind === "a layout") return;
      // Leases protect for an hour what a client pushed or resolved; a server that is closed releases them.
      await (await reopen()).registry.close();
      const store = new Store(directory);
      await store.gc();
      await store.close();
    };
    const blobs = (): string[] => readdirSync(join(directory, "blobs/sha256")).sort();
    const hexes = (...images: TestImage[]): string[] =>
      images
        .flatMap(({ blobs, documents }) => [...blobs, ...documents])
        .map(({ descriptor }) => descriptor.digest.slice(7))
        .sort();
    await collect();
    // A manifest that was pushed by its digest stays, and so do its referrers.
    expect(blobs()).toEqual([...new Set(hexes(image, other, signature))].sort());
    const later = kind === "a layout" ? { registry } : await serve(directory);
    await later.registry.deleteManifest(one, signature.descriptor.digest);
    await later.registry.deleteManifest(one, image.descriptor.digest);
    for (const { descriptor } of [...image.blobs, ...signature.blobs])
      await later.registry.deleteBlob(one, descriptor.digest);
    await later.registry.close();
    if (kind === "a store") {
      const store = new Store(directory);
      await store.gc();
      await store.close();
    }
    expect(blobs()).toEqual(hexes(other));
  });
});

describe("a layout that is served", () => {
  test("writes index.json for other tools, and takes over their changes", async () => {
    const work = await temporary();
    const directory = join(work, "layout");
    // Written by another tool before it was served, with an entry that the tables cannot hold.
    const plain = new LayoutRegistry(directory, { create: true });
    const [first, second, third] = [1, 2, 3].map((seed) => randomImage({ seed }));
    await pushImage(plain, plain.defaultRepository, testIndex([first!, second!]), "multi");
    await pushImage(plain, one, first!, "v1");
    await plain.close();
    const path = join(directory, "index.json");
    const index = JSON.parse(readFileSync(path, "utf8"));
    index.annotations = { "org.example.kept": "yes" };
    index.manifests[0].annotations["org.example.entry"] = "kept";
    const odd = { mediaType: "application/x", digest: "blake3:00", size: 1 };
    index.manifests.push(odd);
    writeFileSync(path, JSON.stringify(index));

    let served = new ServedLayout(directory);
    expect(await all(served.repositories())).toEqual([parseRepoName("layout"), one]);
    expect((await served.getManifest(served.defaultRepository, first!.descriptor.digest)).descriptor.size).toBe(
      first!.descriptor.size,
    );
    await rejects(served.getManifest(one, second!.descriptor.digest), "MANIFEST_UNKNOWN");
    await pushImage(served, served.defaultRepository, third!, "third");
    await served.deleteTag(one, parseTag("v1"));
    await served.close();
    expect(isServedLayout(directory)).toBe(true);
    const exported = JSON.parse(readFileSync(path, "utf8"));
    expect(exported.annotations).toEqual({ "org.example.kept": "yes" });
    const names = exported.manifests.map(
      (entry: { annotations?: Record<string, string> }) => entry.annotations?.["org.opencontainers.image.ref.name"],
    );
    // The untagged image of the other repository stays listed. Manifests that an index lists are not.
    expect(names).toEqual(["multi", "third", undefined, undefined]);
    expect(exported.manifests[0].annotations["org.example.entry"]).toBe("kept");
    expect(exported.manifests.at(-1)).toEqual(odd);

    // Another tool renames one tag and adds one.
    const [multi, moved] = exported.manifests;
    moved.annotations["org.opencontainers.image.ref.name"] = "renamed";
    const added = { ...multi, annotations: { "org.opencontainers.image.ref.name": "added" } };
    exported.manifests.push(added);
    writeFileSync(path, JSON.stringify(exported));
    served = new ServedLayout(directory);
    expect(await all(served.tags(served.defaultRepository))).toEqual(["added", "multi", "renamed"]);
    await served.close();
  });

  test("can be read and written by skopeo before and after", async () => {
    const work = await temporary();
    const directory = join(work, "layout");
    const served = new ServedLayout(directory);
    const server = await startTestRegistry({ registry: served });
    const image = randomImage();
    await pushImage(served, served.defaultRepository, image, "v1");
    const host = `docker://${server.host}/layout`;
    await skopeo("copy", "-q", "--src-tls-verify=false", "--dest-tls-verify=false", `${host}:v1`, `${host}:copied`);
    await server.close();
    await served.close();
    await skopeo("copy", "-q", `oci:${directory}:copied`, `oci:${directory}:by-skopeo`);
    const again = new ServedLayout(directory);
    expect(await all(again.tags(again.defaultRepository))).toEqual(["by-skopeo", "copied", "v1"]);
    const provider = providerOf(again, again.defaultRepository);
    for (const blob of image.blobs) {
      expect((await (await provider.read(blob.descriptor)).bytes()).equals(blob.bytes)).toBe(true);
    }
    await again.close();
  });

  test("gets no database where only cp writes to it", async () => {
    const work = await temporary();
    const layout = new LayoutRegistry(join(work, "layout"), { create: true });
    await pushImage(layout, layout.defaultRepository, randomImage(), "v1");
    await layout.close();
    expect(existsSync(join(work, "layout/names.db"))).toBe(false);
    expect(isServedLayout(join(work, "layout"))).toBe(false);
  });
});

test("a served store shows images that another process pulls or names meanwhile", async () => {
  const directory = join(await temporary(), "store");
  const source = await startTestRegistry();
  const image = testIndex([randomImage({ seed: 1 }), randomImage({ seed: 2 })]);
  await pushImage(source.registry, "app", image, "latest");
  const store = new Store(directory);
  const served = await new Store(directory).serve();
  const repo = parseRepoName("docker.io/library/app");
  await rejects(served.getManifest(repo, latest), "MANIFEST_UNKNOWN");
  const writer = store.writer("pull");
  await copyImage(
    { registry: source.registry, repo: parseRepoName("app"), reference: latest, name: "app" },
    { registry: writer, repo, name: "app" },
    {},
  );
  await store.images.set("docker.io/library/app:latest", image.descriptor);
  await writer.release();
  // By digest alone, before the tag was asked for.
  for (const { descriptor } of image.blobs) {
    expect((await (await served.getBlob(repo, descriptor)).bytes()).length).toBe(descriptor.size);
  }
  expect((await served.getManifest(parseRepoName("app"), latest)).descriptor.digest).toBe(image.descriptor.digest);
  await rejects(served.getBlob(parseRepoName("docker.io/library/other"), image.blobs[0]!.descriptor), "BLOB_UNKNOWN");
  // After its name is deleted, a collection removes the image, although a client had read it.
  await store.images.delete("docker.io/library/app:latest");
  await served.close();
  const { blobs } = await store.gc();
  expect(blobs).toHaveLength(image.blobs.length + image.documents.length);
  await store.close();
  await source.close();
});

test("a database of schema version 1 gets the tables of repositories and keeps its names", async () => {
  const directory = join(await temporary(), "store");
  cpSync(fileURLToPath(new URL("../../../test/fixtures/store-v2", import.meta.url)), directory, { recursive: true });
  const store = new Store(directory);
  const [image] = await store.images.list();
  expect(image).toMatchObject({ name: "docker.io/library/app:v1", labels: { team: "core" } });
  const served = await store.serve();
  const { descriptor } = await served.getManifest(parseRepoName("app"), parseTag("v1"));
  expect(descriptor.digest).toBe(image?.target.digest);
  await pushImage(served, one, randomImage(), "v2");
  await served.close();
  expect((await store.fsck()).findings).toEqual([]);
  expect((await store.images.list()).map(({ name }) => name)).toEqual([
    "docker.io/library/app:v1",
    "docker.io/team/one:v2",
  ]);
  await store.close();
});
