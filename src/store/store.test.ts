import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { appendFile, cp, mkdir, readFile, rename, rm, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test, vi } from "vitest";
import { temporary } from "../../test/support/temporary.ts";
import { bytesSource } from "../content/index.ts";
import { parseRepoName, parseTag } from "../reference/index.ts";
import { LayoutRegistry, type Registry } from "../registry/index.ts";
import { type Descriptor, type Digest, digestOf, mediaTypes } from "../spec/index.ts";
import { pushImage, randomImage, rejects, seededBytes, testBlob, testIndex } from "../testing/index.ts";
import { Advice } from "./advice.ts";
import { Store } from "./index.ts";
import { LEASE_MS } from "./leases.ts";

const fixture = fileURLToPath(new URL("../../test/fixtures/store-v1", import.meta.url));

/** A store with one image for two platforms and one for one platform, without leases. */
async function filled(): Promise<Store> {
  const store = new Store(await temporary());
  await pushImage(store.registry, "reg.example.org/one", randomImage({ seed: 1 }), "v1");
  const arm64 = { os: "linux", architecture: "arm64" };
  const two = testIndex([randomImage({ seed: 10 }), randomImage({ seed: 20, platform: arm64 })]);
  await pushImage(store.registry, "reg.example.org/two", two, "v1");
  await store.registry.release();
  return store;
}

const adviceOf = ({ directory, namespace }: Store) => new Advice({ directory, namespace, database: undefined });
const blobsOf = (store: Store): string[] =>
  readdirSync(join(store.directory, "blobs/sha256")).map((hex) => `sha256:${hex}`);
const indexOf = (store: Store) => JSON.parse(readFileSync(join(store.directory, "index.json"), "utf8"));
const one = "reg.example.org/one:v1";
const two = "reg.example.org/two:v1";

describe("the directory", () => {
  test("of version 1 is migrated to version 2, and keeps its names, times and bytes", async () => {
    const directory = join(await temporary(), "store");
    await cp(fixture, directory, { recursive: true });
    const before = JSON.parse(await readFile(join(fixture, "index.json"), "utf8")).manifests as Descriptor[];
    const store = new Store(directory);
    const images = await store.images.list();
    expect(images.map(({ name }) => name)).toEqual([
      "docker.io/library/tool:latest",
      "registry.example.org/team/app:v1",
    ]);
    for (const { name, target, createdAt, updatedAt } of images) {
      const entry = before.find(({ annotations }) => annotations?.["org.opencontainers.image.ref.name"] === name)!;
      expect([target.digest, target.size]).toEqual([entry.digest, entry.size]);
      expect(createdAt.toISOString()).toBe(entry.annotations!["dev.gantry.created"]);
      expect(updatedAt.toISOString()).toBe(entry.annotations!["dev.gantry.updated"]);
    }
    expect((await store.fsck()).findings).toEqual([]);
    expect((await store.gc()).blobs).toEqual([]);
    await store.close();
    expect(JSON.parse(await readFile(join(directory, "version.json"), "utf8"))).toEqual({
      version: 2,
      database: "sqlite",
      id: expect.any(Number),
    });
  });

  test("of version 1 is migrated once by many processes at the same time", async () => {
    const directory = join(await temporary(), "store");
    await cp(fixture, directory, { recursive: true });
    const stores = Array.from({ length: 5 }, () => new Store(directory));
    const lists = await Promise.all(stores.map((store) => store.images.list()));
    for (const list of lists) expect(list).toHaveLength(2);
    await Promise.all(stores.map((store) => store.close()));
  });

  test("of a newer version is refused and not changed, and so is a newer database", async () => {
    const store = await filled();
    await store.close();
    const version = join(store.directory, "version.json");
    const { openSqlite } = await import("./sql/sqlite.ts");
    const database = await openSqlite(join(store.directory, "names.db"));
    const session = await database.acquire();
    await session.run("UPDATE gantry_meta SET value = 99 WHERE key = 'schema'");
    session.release();
    await database.close();
    const later = new Store(store.directory);
    for (const work of [() => later.images.list(), () => later.gc(), () => later.images.set("x", target("x"))])
      await rejects(work, "STORE_VERSION");
    await later.close();
    await writeFile(version, '{"version":3}');
    const newest = new Store(store.directory);
    for (const work of [() => newest.images.list(), () => newest.gc(), () => newest.fsck({ rebuild: true })])
      await rejects(work, "STORE_VERSION");
    await newest.close();
    expect(await readFile(version, "utf8")).toBe('{"version":3}');
  });

  test("is not created by reading", async () => {
    const directory = join(await temporary(), "store");
    const store = new Store(directory);
    expect(await store.images.list()).toEqual([]);
    await rejects(store.images.get("x"), "IMAGE_NOT_FOUND");
    await rejects(store.images.delete("x"), "IMAGE_NOT_FOUND");
    expect((await store.gc()).blobs).toEqual([]);
    await rejects(store.fsck(), "STORE_NOT_FOUND");
    await store.close();
    expect(existsSync(directory)).toBe(false);
  });

  test("and its files can be accessed only by their owner", async () => {
    const store = await filled();
    for (const name of ["", "leases", "layers", "blobs"]) {
      expect([name, (statSync(join(store.directory, name)).mode & 0o777).toString(8)]).toEqual([name, "700"]);
    }
    for (const name of ["names.db", "names.db-wal", "index.json", "version.json"]) {
      expect([name, (statSync(join(store.directory, name)).mode & 0o777).toString(8)]).toEqual([name, "600"]);
    }
    await store.close();
  });
});

const target = (content: string): Descriptor => ({
  mediaType: mediaTypes.manifest,
  digest: digestOf(content),
  size: content.length,
});

describe("index.json", () => {
  test("shows the names after each change, and marks those of other namespaces", async () => {
    const store = await filled();
    await store.images.update({ ...(await store.images.get(one)), labels: { a: "<1>" } }, "labels");
    await store.imagesOf("team").create({ name: one, target: (await store.images.get(one)).target });
    const entries = indexOf(store).manifests as Descriptor[];
    expect(entries.map(({ annotations }) => annotations!["org.opencontainers.image.ref.name"])).toEqual([
      one,
      two,
      undefined,
    ]);
    expect(entries[2]!.annotations).toMatchObject({ "dev.gantry.namespace": "team", "dev.gantry.name": one });
    await store.images.delete(one);
    expect(indexOf(store).manifests).toHaveLength(2);
    await store.close();
  });

  test("is brought up to date by fsck after a process was killed before it wrote it", async () => {
    const store = await filled();
    const path = join(store.directory, "index.json");
    const old = await readFile(path);
    await store.images.set("reg.example.org/three:v1", (await store.images.get(one)).target);
    const right = await readFile(path, "utf8");
    await writeFile(path, old);
    const report = await store.fsck();
    expect([report.findings, report.repaired]).toEqual([
      [],
      ["index.json did not show the latest names; it was written again"],
    ]);
    expect(await readFile(path, "utf8")).toBe(right);
    expect((await store.fsck()).repaired).toEqual([]);
    await store.close();
  });

  test("restores the names, labels, namespaces and times of a missing, empty or damaged database", async () => {
    const store = await filled();
    await store.images.update({ ...(await store.images.get(one)), labels: { a: "1", "b.c": "<>" } }, "labels");
    await store.imagesOf("team").create({ name: "any name", target: (await store.images.get(one)).target });
    const before = [await store.images.list(), await store.imagesOf("team").list()];
    await store.close();
    const file = join(store.directory, "names.db");
    const ruin: [string, () => Promise<unknown>][] = [
      ["lost", async () => {}],
      ["empty", () => writeFile(file, "")],
      ["damaged", () => writeFile(file, seededBytes(20_000))],
    ];
    for (const [name, work] of ruin) {
      // SQLite's log goes with the old file, because it would restore the names.
      for (const suffix of ["", "-wal", "-shm"]) await rm(`${file}${suffix}`, { force: true });
      await work();
      const broken = new Store(store.directory);
      for (const use of [() => broken.images.list(), () => broken.gc(), () => broken.images.set("x", target("x"))])
        await rejects(use, "STORE_INVALID");
      const repair = `gantry images fsck --rebuild --store ${store.directory}`;
      expect((await broken.fsck()).findings).toMatchObject([{ kind: "database", repair }]);
      const { findings, repaired } = await broken.fsck({ rebuild: true });
      expect([name, findings]).toEqual([name, []]);
      expect(repaired.join()).toContain("3 names restored from index.json");
      expect([await broken.images.list(), await broken.imagesOf("team").list()]).toEqual(before);
      expect((await broken.gc()).blobs).toEqual([]);
      await broken.close();
    }
  });
});

describe("garbage collection", () => {
  test("removes only blobs that no name of any namespace leads to", async () => {
    const store = await filled();
    const all = blobsOf(store);
    expect((await store.gc()).blobs).toEqual([]);
    await store.imagesOf("team").create({ name: "kept", target: (await store.images.get(one)).target });
    await store.images.delete(one);
    expect((await store.gc()).blobs).toEqual([]);
    await store.images.delete(two);
    const dry = await store.gc({ dryRun: true });
    expect(blobsOf(store)).toEqual(all);
    const report = await store.gc();
    expect(report.blobs.map(({ digest }) => digest).sort()).toEqual(dry.blobs.map(({ digest }) => digest).sort());
    expect([report.bytes, report.kept]).toEqual([dry.bytes, 4]);
    expect(report.blobs).toHaveLength(9);
    expect(blobsOf(store)).toHaveLength(4);
    expect((await store.fsck()).findings).toEqual([]);
    expect(existsSync(join(store.directory, "trash"))).toBe(false);
    await store.close();
  });

  test("keeps the blobs that a lease protects, also another process's, until it expires", async () => {
    const store = await filled();
    const blob = testBlob(seededBytes(500, 77));
    const lease = await store.lease("a test");
    await lease.protect(blob.descriptor.digest);
    await store.blobs.write(blob.descriptor, () => bytesSource(blob.descriptor, blob.bytes).open());
    const other = new Store(store.directory);
    expect((await other.gc()).blobs).toEqual([]);
    // The holder was killed while it wrote its last line.
    const [name] = readdirSync(join(store.directory, "leases"));
    const path = join(store.directory, "leases", name!);
    await appendFile(path, '{"digest":"sha256:12');
    expect((await other.gc()).blobs).toEqual([]);
    const lines = (await readFile(path, "utf8")).replaceAll(
      /"expires":"[^"]*"/g,
      `"expires":"${new Date(0).toISOString()}"`,
    );
    await writeFile(path, lines);
    expect((await other.gc({ dryRun: true })).blobs).toHaveLength(1);
    expect(existsSync(path)).toBe(true);
    expect((await other.gc()).blobs.map(({ digest }) => digest)).toEqual([blob.descriptor.digest]);
    expect(existsSync(path)).toBe(false);
    await rejects(lease.protect(digestOf("another")), "LOCK_LOST");
    await lease.release();
    await other.close();
    await store.close();
  });

  test("removes an empty lease when its file is older than leases last", async () => {
    const store = await filled();
    const path = join(store.directory, "leases", "x.jsonl");
    await writeFile(path, "");
    await store.gc();
    expect(existsSync(path)).toBe(true);
    const old = new Date(Date.now() - LEASE_MS - 1000);
    await utimes(path, old, old);
    await store.gc();
    expect(existsSync(path)).toBe(false);
    await store.close();
  });

  test("keeps blobs that a pull finds during the collection", async () => {
    const store = await filled();
    const image = await store.images.get(one);
    await store.images.delete(one);
    const digests = (await store.gc({ dryRun: true })).blobs.map(({ digest }) => digest);
    expect(digests).toHaveLength(4);
    // Between marking and removing, one writer leases a blob that it finds, and another one sets a name.
    const writer = store.writer("a pull");
    const repo = parseRepoName("reg.example.org/one");
    let asked = 0;
    const { collectGarbage } = await import("./gc/collect.ts");
    const parts = {
      directory: store.directory,
      blobs: store.blobs,
      limits: store.limits,
      advice: adviceOf(store),
      pushed: async () => [],
      removed: async () => {},
      exported: async () => -1,
      snapshot: async () => {
        asked += 1;
        if (asked === 1) {
          const empty = { generation: 1, images: (await names()).filter(({ name }) => name !== one) };
          await writer.resolveBlob(repo, digests[0]!);
          return empty;
        }
        return { generation: 2, images: await names() };
      },
      generation: async () => (asked === 1 ? 2 : 2),
    };
    const names = async () => (await store.images.list()).map((it) => ({ namespace: "default", ...it }));
    const first = await collectGarbage(parts);
    expect(first.blobs.map(({ digest }) => digest)).not.toContain(digests[0]);
    expect(first.blobs).toHaveLength(3);
    // The whole image again, which gets its name between marking and removing.
    await pushImage(store.registry, "reg.example.org/one", randomImage({ seed: 1 }));
    await store.registry.release();
    await writer.release();
    asked = 0;
    const snapshot = parts.snapshot;
    const second = await collectGarbage({
      ...parts,
      snapshot: async () => {
        if (asked === 0) {
          asked += 1;
          const before = { generation: 1, images: (await names()).filter(({ name }) => name !== one) };
          await store.images.set(one, image.target);
          return before;
        }
        return snapshot();
      },
    });
    expect(second.blobs).toEqual([]);
    expect((await store.fsck()).findings).toEqual([]);
    await store.close();
  });

  test("restores the blobs that a killed collection had put aside", async () => {
    const store = await filled();
    const [digest] = blobsOf(store);
    const aside = join(store.directory, "trash/some-id/sha256");
    await mkdir(aside, { recursive: true });
    const hex = digest!.slice(7);
    const away = (): Promise<void> => rename(join(store.directory, "blobs/sha256", hex), join(aside, hex));
    await away();
    expect((await store.fsck()).findings).toEqual([]);
    await mkdir(aside, { recursive: true });
    await away();
    await store.gc();
    expect(blobsOf(store)).toHaveLength(13);
    // The next writer restores them too, when the trash is so old that no collection can be running.
    await mkdir(aside, { recursive: true });
    await away();
    const old = new Date(Date.now() - 60_000);
    await utimes(join(store.directory, "trash"), old, old);
    const later = new Store(store.directory);
    await later.prepare();
    expect(blobsOf(later)).toHaveLength(13);
    expect(existsSync(join(store.directory, "trash"))).toBe(false);
    await later.close();
    await store.close();
  });

  test("keeps the extracted layers of named images, by diffID and chainID", async () => {
    const store = await filled();
    const { document } = await config(store, one);
    const [base, top] = document.rootfs.diff_ids;
    const chain = digestOf(`${base} ${top}`);
    const stray = digestOf("stray");
    const layers = join(store.directory, "layers/sha256");
    for (const digest of [base, top, chain, stray])
      await mkdir(join(layers, digest!.slice(7), "fs"), { recursive: true });
    expect((await store.gc({ dryRun: true })).layers).toEqual([`sha256/${stray.slice(7)}`]);
    expect((await store.gc()).layers).toEqual([`sha256/${stray.slice(7)}`]);
    expect(readdirSync(layers).sort()).toEqual([base, top, chain].map((digest) => digest!.slice(7)).sort());
    await store.images.delete(one);
    expect((await store.gc()).layers).toHaveLength(3);
    expect(readdirSync(layers)).toEqual([]);
    await store.close();
  });

  test("removes nothing where a document is damaged, and reports it", async () => {
    const store = await filled();
    const { digest } = (await store.images.get(one)).target;
    const path = store.blobs.path(digest);
    const bytes = await readFile(path);
    await writeFile(path, Buffer.from(bytes.toString().replace("2", "3")));
    await store.images.delete(two);
    const all = blobsOf(store);
    await rejects(store.gc(), "STORE_DAMAGED");
    expect(blobsOf(store)).toEqual(all);
    await store.close();
  });

  test("keeps blobs that documents of unknown types mention", async () => {
    const store = await filled();
    const payload = testBlob(seededBytes(100, 3));
    const document = testBlob(JSON.stringify({ blobs: [payload.descriptor] }), "application/vnd.example.thing+json");
    for (const { descriptor, bytes } of [payload, document])
      await store.registry.pushBlob(parseRepoName("x"), descriptor, bytesSource(descriptor, bytes));
    await store.images.create({ name: "thing", target: document.descriptor });
    await store.registry.release();
    expect((await store.gc()).blobs).toEqual([]);
    await store.images.delete("thing");
    expect((await store.gc()).blobs).toHaveLength(2);
    await store.close();
  });
});

async function config(
  store: Store,
  name: string,
): Promise<{ digest: Digest; document: { rootfs: { diff_ids: Digest[] } } }> {
  const read = async (digest: Digest) => JSON.parse(await readFile(store.blobs.path(digest), "utf8"));
  const { digest } = (await read((await store.images.get(name)).target.digest)).config;
  return { digest, document: await read(digest) };
}

describe("presence and fsck", () => {
  test("an image is complete, partial with its platforms, or absent", async () => {
    const store = await filled();
    const targets = (await store.images.list()).map((image) => image.target);
    const presence = async () => (await store.presence(targets)).map(({ state, platforms }) => [state, ...platforms]);
    expect(await presence()).toEqual([
      ["complete", "linux/amd64"],
      ["complete", "linux/amd64", "linux/arm64"],
    ]);
    const index = JSON.parse(await readFile(store.blobs.path(targets[1]!.digest), "utf8"));
    await store.blobs.delete(index.manifests[1].digest);
    expect((await presence())[1]).toEqual(["partial", "linux/amd64"]);
    expect((await store.fsck()).findings).toEqual([]);
    await store.blobs.delete(targets[0]!.digest);
    expect((await presence())[0]).toEqual(["absent"]);
    expect((await store.fsck()).findings).toMatchObject([
      { kind: "absent", image: one, repair: `gantry pull ${one} --store ${store.directory}` },
    ]);
    await store.close();
  });

  test("fsck finds a damaged blob, removes it on request, and names the pull that fetches it again", async () => {
    const store = await filled();
    const index = JSON.parse(await readFile(store.blobs.path((await store.images.get(two)).target.digest), "utf8"));
    const manifest = JSON.parse(await readFile(store.blobs.path(index.manifests[1].digest), "utf8"));
    const { digest } = manifest.layers[0];
    const path = store.blobs.path(digest);
    const bytes = await readFile(path);
    await writeFile(path, Buffer.concat([bytes.subarray(0, -1), Buffer.from([bytes.at(-1)! ^ 1])]));
    const { findings } = await store.fsck();
    expect(findings.map(({ kind }) => kind)).toEqual(["damaged", "incomplete"]);
    expect(findings[0]!.digest).toBe(digest);
    expect(findings[1]!.repair).toBe(`gantry pull --platform linux/arm64 ${two} --store ${store.directory}`);
    expect(findings[1]!.message).toContain(digest);
    expect(existsSync(path)).toBe(true);
    const after = await store.fsck({ rebuild: true });
    expect(after.repaired).toEqual([`removed the damaged blob ${digest}`]);
    expect(existsSync(path)).toBe(false);
    await store.close();
  });

  test("fsck reports files that are not blobs", async () => {
    const store = await filled();
    await writeFile(join(store.directory, "blobs/sha256/not-a-digest"), "x");
    const { findings } = await store.fsck();
    expect(findings.map(({ kind }) => kind)).toEqual(["stray"]);
    await store.close();
  });

  test("names that are not references are listed, but not as tags or repositories", async () => {
    const store = await filled();
    await store.images.create({ name: "NOT a reference", target: (await store.images.get(one)).target });
    const tags: string[] = [];
    for await (const tag of store.registry.tags(parseRepoName("reg.example.org/one"))) tags.push(tag);
    expect(tags).toEqual(["v1"]);
    const repositories: string[] = [];
    for await (const name of store.registry.repositories()) repositories.push(name);
    expect(repositories).toEqual(["reg.example.org/one", "reg.example.org/two"]);
    await rejects(
      store.registry.resolveManifest(parseRepoName("reg.example.org/one"), parseTag("v9")),
      "IMAGE_NOT_FOUND",
    );
    expect((await stat(join(store.directory, "index.json"))).size).toBeGreaterThan(100);
    await store.close();
  });
});

describe("the store loses nothing", () => {
  test("an image layout is not made a store", async () => {
    const directory = join(await temporary(), "layout");
    const layout = new LayoutRegistry(directory, { create: true });
    await pushImage(layout, layout.defaultRepository, randomImage(), "v1");
    const before = await readFile(join(directory, "index.json"), "utf8");
    const mode = statSync(directory).mode;
    const store = new Store(directory);
    await rejects(pushImage(store.registry, "reg.example.org/one", randomImage({ seed: 2 }), "v1"), "TARGET_NOT_EMPTY");
    expect([await readFile(join(directory, "index.json"), "utf8"), statSync(directory).mode]).toEqual([before, mode]);
    // A new volume with its `lost+found` is not refused.
    const volume = await temporary();
    await mkdir(join(volume, "lost+found"));
    await new Store(volume).prepare();
  });

  test("a pull that starts and ends during a collection keeps the blobs that it found", async () => {
    const store = await filled();
    const { target: top } = await store.images.get(two);
    const index = JSON.parse(await readFile(store.blobs.path(top.digest), "utf8"));
    const arm = index.manifests[1];
    const manifest = await readFile(store.blobs.path(arm.digest));
    // The layers of arm64 exist and its manifest is missing, as after an interrupted pull.
    await store.blobs.delete(arm.digest);
    const garbage = (await store.gc({ dryRun: true })).blobs;
    expect(garbage).toHaveLength(3);
    const other = new Store(store.directory);
    const { collectGarbage } = await import("./gc/collect.ts");
    let pulled = false;
    const pull = async (): Promise<void> => {
      pulled = true;
      const writer = other.writer("pull");
      const repo = parseRepoName("reg.example.org/two");
      for (const { digest } of garbage) await writer.resolveBlob(repo, digest);
      await writer.pushManifest(repo, manifest, arm.mediaType);
      await other.images.set(two, top);
      await writer.release();
    };
    const names = async () => (await other.images.list()).map((it) => ({ namespace: "default", ...it }));
    let generation = 1;
    const report = await collectGarbage({
      directory: store.directory,
      blobs: store.blobs,
      limits: store.limits,
      advice: adviceOf(store),
      pushed: async () => [],
      removed: async () => {},
      exported: async () => -1,
      snapshot: async () => {
        const images = await names();
        // After the names were read, and before a blob is put aside.
        if (!pulled) setImmediate(() => {});
        return { generation, images };
      },
      generation: async () => {
        if (!pulled) {
          await pull();
          generation += 1;
        }
        return generation;
      },
    });
    // The pull looked for the blobs after they had been put aside, and they were restored.
    expect(report.blobs).toEqual([]);
    expect((await other.presence([top]))[0]!.state).toBe("complete");
    expect((await other.fsck()).findings).toEqual([]);
    await other.close();
    await store.close();
  });

  test("the lease of a copy lasts as long as the copy; a server's is replaced, but not before an hour", async () => {
    vi.useFakeTimers({ toFake: ["Date", "setInterval", "clearInterval"] });
    try {
      const store = await filled();
      const blob = (seed: number) => testBlob(seededBytes(100, seed));
      const push = async (registry: Awaited<ReturnType<Store["writer"]>>, seed: number): Promise<void> => {
        const { descriptor, bytes } = blob(seed);
        await registry.pushBlob(parseRepoName("x"), descriptor, bytesSource(descriptor, bytes));
      };
      const [copy, server] = [store.writer("copy"), store.writer("serve", { endless: true })];
      await push(copy, 101);
      await push(server, 102);
      for (let minutes = 0; minutes < 130; minutes += 5) {
        await vi.advanceTimersByTimeAsync(5 * 60_000);
        await new Promise(setImmediate);
        if (minutes === 65) await Promise.all([push(copy, 103), push(server, 104)]);
      }
      const gone = (await store.gc()).blobs.map(({ digest }) => digest);
      expect(gone).toEqual([blob(102).descriptor.digest]);
      await copy.checkLease();
      await rm(join(store.directory, "leases"), { recursive: true });
      await rejects(copy.checkLease(), "LOCK_LOST");
      await store.close();
    } finally {
      vi.useRealTimers();
    }
  });

  test("the children of documents larger than the limit are kept", async () => {
    const store = await filled();
    const layer = testBlob(seededBytes(100, 55), mediaTypes.layer);
    const config_ = testBlob(JSON.stringify({ rootfs: { type: "layers", diff_ids: [] } }), mediaTypes.config);
    for (const { descriptor, bytes } of [layer, config_])
      await store.registry.pushBlob(parseRepoName("x"), descriptor, bytesSource(descriptor, bytes));
    for (const [name, size] of [
      ["large", 5 << 20],
      ["vast", 66 << 20],
    ] as const) {
      const annotations = { padding: "x".repeat(size) };
      const document = { schemaVersion: 2, config: config_.descriptor, layers: [layer.descriptor], annotations };
      const { descriptor, bytes } = testBlob(JSON.stringify(document), mediaTypes.manifest);
      await store.blobs.write(descriptor, () => bytesSource(descriptor, bytes).open());
      await store.images.create({ name, target: descriptor });
      await store.registry.release();
      const gone = (await store.gc()).blobs.map((blob) => blob.digest);
      for (const kept of [descriptor, layer.descriptor, config_.descriptor]) expect(gone).not.toContain(kept.digest);
      await store.images.delete(name);
    }
    expect((await store.gc()).blobs.map((blob) => blob.digest)).toContain(layer.descriptor.digest);
    await store.close();
  });

  test("leases that cannot be read do not count as missing", async () => {
    const store = await filled();
    await store.images.delete(one);
    const all = blobsOf(store);
    await rm(join(store.directory, "leases"), { recursive: true });
    await writeFile(join(store.directory, "leases"), "");
    await rejects(store.gc(), "NOT_REGULAR_FILE");
    expect(blobsOf(store)).toEqual(all);
    await rm(join(store.directory, "leases"));
    await mkdir(join(store.directory, "leases"));
    await writeFile(join(store.directory, "leases/odd.jsonl"), "null\n3\n[]\n");
    expect((await store.gc()).blobs).toHaveLength(4);
    await store.close();
  });

  test("a client cannot delete blobs, which other names may need", async () => {
    const store = await filled();
    const [digest] = blobsOf(store) as Digest[];
    await rejects((store.registry as Registry).deleteBlob(parseRepoName("any"), digest!), "UNSUPPORTED");
    expect(blobsOf(store)).toContain(digest);
    await store.close();
  });

  test("a large layer that an index calls a manifest is not read", async () => {
    const store = await filled();
    const big = testBlob(Buffer.alloc((4 << 20) + 1, 0x7b));
    await store.blobs.write(big.descriptor, () => bytesSource(big.descriptor, big.bytes).open());
    const liar = { ...big.descriptor, mediaType: mediaTypes.manifest };
    const { descriptor, bytes } = testBlob(JSON.stringify({ schemaVersion: 2, manifests: [liar] }), mediaTypes.index);
    await store.blobs.write(descriptor, () => bytesSource(descriptor, bytes).open());
    expect((await store.presence([descriptor]))[0]!.state).toBe("partial");
    await store.close();
  });

  test("a deleted name stays deleted, also after fsck --rebuild", async () => {
    const store = await filled();
    const path = join(store.directory, "index.json");
    const old = await readFile(path);
    await store.images.delete(one);
    await writeFile(path, old);
    const { repaired } = await store.fsck({ rebuild: true });
    expect(repaired).toEqual(["index.json did not show the latest names; it was written again"]);
    expect((await store.images.list()).map(({ name }) => name)).toEqual([two]);
    await store.close();
  });

  test("a database that is older than index.json is refused", async () => {
    const store = await filled();
    await store.close();
    const file = join(store.directory, "names.db");
    const backup = await readFile(file);
    const later = new Store(store.directory);
    await later.images.set("reg.example.org/later:v1", (await later.images.list())[0]!.target);
    await later.close();
    for (const suffix of ["", "-wal", "-shm"]) await rm(`${file}${suffix}`, { force: true });
    await writeFile(file, backup);
    const restored = new Store(store.directory);
    for (const use of [() => restored.gc(), () => restored.images.list(), () => restored.images.delete(one)])
      await rejects(use, "STORE_DATABASE");
    expect((await restored.fsck({ rebuild: true })).repaired[0]).toBe("1 name restored from index.json");
    expect((await restored.images.list()).map(({ name }) => name)).toContain("reg.example.org/later:v1");
    await restored.close();
  });

  test("a reader restores a blob that a running collection has put aside", async () => {
    const store = await filled();
    const aside = join(store.directory, "trash/some-id/sha256");
    await mkdir(aside, { recursive: true });
    const [digest] = blobsOf(store) as Digest[];
    await rename(store.blobs.path(digest!), join(aside, digest!.slice(7)));
    expect(await store.blobs.has({ digest: digest! })).toBe(true);
    expect(existsSync(store.blobs.path(digest!))).toBe(true);
    await store.close();
  });

  test("resolving missing blobs writes nothing", async () => {
    const directory = join(await temporary(), "store");
    const store = new Store(directory);
    const writer = store.writer("serve", { endless: true });
    await rejects(writer.resolveBlob(parseRepoName("x"), digestOf("nothing")), "BLOB_UNKNOWN");
    await rejects(writer.resolveManifest(parseRepoName("x"), digestOf("nothing")), "MANIFEST_UNKNOWN");
    await writer.close();
    expect(existsSync(directory)).toBe(false);
  });

  test("a full disk is NO_SPACE", async () => {
    const { openSqlite } = await import("./sql/sqlite.ts");
    const { SqlImages } = await import("./sql/images.ts");
    const { migrate } = await import("./sql/migrations.ts");
    const path = join(await temporary(), "x.db");
    await writeFile(path, "");
    const images = new SqlImages(await openSqlite(path));
    await migrate(images.database);
    const session = await images.database.acquire();
    const [pages] = await session.run("PRAGMA page_count");
    await session.run(`PRAGMA max_page_count = ${Number(Object.values(pages!)[0]) + 1}`);
    session.release();
    const labels = { a: "x".repeat(4000) };
    const fill = async (): Promise<void> => {
      for (let at = 0; at < 50; at += 1)
        await images.change("default", `n${at}`, () => ({ target: target("x"), labels }));
    };
    await rejects(fill, "NO_SPACE");
    expect((await images.snapshot()).images.length).toBeLessThan(50);
    await images.close();
  });

  test("a tag beside a digest is not listed; names must be valid Unicode", async () => {
    const store = await filled();
    const { target: top } = await store.images.get(one);
    await store.images.set(`reg.example.org/one:3.20@${top.digest}`, top);
    const tags: string[] = [];
    for await (const tag of store.registry.tags(parseRepoName("reg.example.org/one"))) tags.push(tag);
    expect(tags).toEqual(["v1"]);
    await rejects(store.images.create({ name: "a\ud800", target: top }), "INVALID_IMAGE");
    await rejects(store.images.get("a\0b"), "IMAGE_NOT_FOUND");
    await store.close();
  });

  test("opening two databases at once does not change the warnings of the process", async () => {
    const before = process.emitWarning;
    const stores = await Promise.all([filled(), filled()]);
    await Promise.all(stores.map((store) => new Store(store.directory).images.list()));
    expect(process.emitWarning).toBe(before);
    for (const store of stores) await store.close();
  });
});
