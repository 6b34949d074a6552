import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { temporary } from "../../test/support/temporary.ts";
import { parseRepoName } from "../reference/reference.ts";
import { pushImage, rejects, startTestRegistry, testImage, testLayer } from "../testing/index.ts";
import {
  blob,
  config,
  copy,
  inspect,
  manifest,
  push,
  referrers,
  remove,
  resolve,
  Store,
  tag,
  tags,
  unpack,
} from "./index.ts";

const image = testImage([testLayer([{ name: "file", data: "exact" }])]);
const other = testImage([testLayer([{ name: "file", data: "in full" }])]);
const { digest } = image.descriptor;

/** A store that has one image under three exact names, among them `backup`, and another one as `backup` in full. */
async function makeStore(): Promise<{ store: Store; work: string }> {
  const work = await temporary();
  const store = new Store(join(work, "store"));
  onTestFinished(() => store.close());
  const repo = parseRepoName("docker.io/library/backup");
  await pushImage(store.registry, repo, image, "old");
  await pushImage(store.registry, repo, other, "latest");
  await pushImage(store.registry, parseRepoName("docker.io/library/app"), other, "v1");
  const { target } = await store.images.get("docker.io/library/backup:old");
  for (const name of ["backup", "My Backup (1)", "app:v1"]) await store.images.create({ name, target });
  await store.registry.release();
  return { store, work };
}

describe.each([
  ["a name that looks like a reference", "backup"],
  ["a name with a tag", "app:v1"],
  ["a name that is no reference", "My Backup (1)"],
])("store:NAME with %s", (_, name) => {
  test("means the image of exactly this name in every verb that reads", async () => {
    const { store, work } = await makeStore();
    const location = `store:${name}`;
    expect(await resolve(location, { store })).toMatchObject({ digest });
    expect((await manifest(location, { store })).descriptor.digest).toBe(digest);
    expect((await config(location, { store })).descriptor).toEqual(image.blobs[0]!.descriptor);
    expect(await inspect(location, { store })).toMatchObject({ name: location, descriptor: { digest } });
    await unpack(location, join(work, "rootfs"), { store });
    expect(readFileSync(join(work, "rootfs/file"), "utf8")).toBe("exact");
    await copy(location, `oci:${work}/layout:v1`, { store });
    expect(await resolve(`oci:${work}/layout:v1`)).toMatchObject({ digest });
    await copy(location, "store:copied:v1", { store });
    expect((await store.images.get("docker.io/library/copied:v1")).target.digest).toBe(digest);
    await using server = await startTestRegistry();
    for (const given of [name, location]) await push(given, `${server.host}/pushed:v1`, { store });
    expect(await resolve(`${server.host}/pushed:v1`)).toMatchObject({ digest });
    // A store keeps no list of referrers.
    await rejects(referrers(location, { store }).next(), "UNSUPPORTED");
  });

  test("is the name that is written and deleted", async () => {
    const { store } = await makeStore();
    const inFull = await resolve("store:docker.io/library/backup", { store });
    await copy("store:docker.io/library/backup:latest", `store:${name}`, { store });
    expect((await store.images.get(name)).target.digest).toBe(other.descriptor.digest);
    await remove(`store:${name}`, { store });
    await rejects(store.images.get(name), "IMAGE_NOT_FOUND");
    expect(await resolve("store:docker.io/library/backup", { store })).toEqual(inFull);
  });
});

describe("store:NAME", () => {
  test("means the name in full where there is no image of exactly this name", async () => {
    const { store, work } = await makeStore();
    await remove("store:backup", { store });
    await remove("store:app:v1", { store });
    for (const name of ["backup", "app:v1"]) {
      expect(await resolve(`store:${name}`, { store })).toMatchObject({ digest: other.descriptor.digest });
      await unpack(`store:${name}`, join(work, `${name}.rootfs`), { store });
      expect(readFileSync(join(work, `${name}.rootfs/file`), "utf8")).toBe("in full");
    }
    await remove("store:app:v1", { store });
    await rejects(resolve("store:app:v1", { store }), "IMAGE_NOT_FOUND");
    // A removal must name the tag: without one only the exact name is meant.
    await rejects(remove("store:backup", { store }), "USAGE");
    expect((await store.images.get("docker.io/library/backup:latest")).target.digest).toBe(other.descriptor.digest);
  });

  test("is tagged in the repository that it names, and refused where it names none", async () => {
    const { store } = await makeStore();
    await tag("store:backup", ["v2"], { store });
    expect((await store.images.get("docker.io/library/backup:v2")).target.digest).toBe(digest);
    const found: string[] = [];
    for await (const each of tags("store:backup", { store })) found.push(each);
    expect(found).toEqual(["latest", "old", "v2"]);
    const { length } = await store.images.list();
    await rejects(tag("store:My Backup (1)", ["v2"], { store }), "INVALID_REFERENCE");
    await rejects(tags("store:My Backup (1)", { store }).next(), "INVALID_REFERENCE");
    await rejects(push("My Backup (1)", undefined, { store }), "USAGE");
    await rejects(resolve("store:My Backup (2)", { store }), "INVALID_REFERENCE");
    await rejects(copy("store:backup", "store:My Backup (2)", { store }), "INVALID_REFERENCE");
    expect(await store.images.list()).toHaveLength(length);
  });

  test("with a digest names a manifest or a blob, whatever names the store has", async () => {
    const { store } = await makeStore();
    expect(await resolve(`store:backup@${other.descriptor.digest}`, { store })).toMatchObject({
      digest: other.descriptor.digest,
    });
    const chunks: Buffer[] = [];
    const { descriptor, bytes } = image.blobs[0]!;
    await blob(`store:backup@${descriptor.digest}`, (chunk) => void chunks.push(Buffer.from(chunk)), { store });
    expect(Buffer.concat(chunks)).toEqual(bytes);
  });
});
