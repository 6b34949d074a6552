import assert from "node:assert/strict";
import { isGantryError } from "../base/error.ts";
import { digestOf } from "../spec/digest.ts";
import type { Descriptor } from "../spec/types.ts";
import type { ImageRecord } from "../store/images.ts";
import { rejects } from "./contract-case.ts";
import { type AddCase, target } from "./image-store-case.ts";

/** Names are created, set, listed and deleted, in several namespaces and by several writers. */
export function nameCases(add: AddCase): void {
  add("a created image is read unchanged, with its whole descriptor", async (store) => {
    const whole: Descriptor = {
      ...target("whole"),
      annotations: { "a<b>": "&", __proto__x: "1", "10": "ten" },
      platform: { os: "linux", architecture: "arm", variant: "v7" },
      artifactType: "application/x",
      urls: ["https://example.org/x"],
    };
    const labels = Object.fromEntries([
      ["__proto__", "p"],
      ["k", "\u{1F600} \u2028 ' \\ %"],
      ["10", "x"],
    ]);
    const before = Date.now();
    const made = await store.create({ name: "a:b", target: whole, labels });
    const got = await store.get("a:b");
    assert.deepEqual(got, made);
    assert.deepEqual(got.target, whole);
    assert.deepEqual(Object.entries(got.labels).sort(), Object.entries(labels).sort());
    assert.ok(got.createdAt.getTime() >= before && got.createdAt.getTime() === got.updatedAt.getTime());
  });

  add("the store sets the times, and ignores given ones", async (store) => {
    const long = new Date(0);
    const given = { name: "x", target: target("x"), createdAt: long, updatedAt: long };
    const made = await store.create(given);
    assert.ok(made.createdAt.getTime() > 0);
    const updated = await store.update({ ...given, target: target("y") });
    assert.equal(updated.createdAt.getTime(), made.createdAt.getTime());
    assert.ok(updated.updatedAt.getTime() >= made.updatedAt.getTime());
  });

  add("a missing name is not found; an existing name cannot be created again", async (store) => {
    await rejects(store.get("x"), "IMAGE_NOT_FOUND");
    await rejects(store.update({ name: "x", target: target("x") }), "IMAGE_NOT_FOUND");
    await rejects(store.update({ name: "x", target: target("x") }, "labels"), "IMAGE_NOT_FOUND");
    await rejects(store.delete("x"), "IMAGE_NOT_FOUND");
    await store.create({ name: "x", target: target("x") });
    await rejects(store.create({ name: "x", target: target("y") }), "IMAGE_EXISTS");
    assert.equal((await store.get("x")).target.digest, digestOf("x"));
    await store.delete("x");
    await rejects(store.get("x"), "IMAGE_NOT_FOUND");
    assert.deepEqual(await store.list(), []);
  });

  add("a text that cannot be a name is not found, and cannot be created or set", async (store) => {
    for (const name of ["", "a\0b", "\0", "a\nb", "\ud800", "x".repeat(1025)]) {
      const image = { name, target: target("x") };
      await rejects(store.get(name), "IMAGE_NOT_FOUND");
      await rejects(store.update(image), "IMAGE_NOT_FOUND");
      await rejects(store.update(image, "labels"), "IMAGE_NOT_FOUND");
      await rejects(store.delete(name), "IMAGE_NOT_FOUND");
      await rejects(store.create(image), "INVALID_IMAGE");
      await rejects(store.set(name, image.target), "INVALID_IMAGE");
    }
    assert.deepEqual(await store.list(), []);
  });

  add("required fields, sizes and labels are checked", async (store) => {
    const good = { name: "x", target: target("x") };
    const { digest: _digest, ...noDigest } = good.target;
    const { mediaType: _type, ...noType } = good.target;
    const bad = [
      { ...good, name: "" },
      { ...good, name: "a\nb" },
      { ...good, name: "x".repeat(1025) },
      { ...good, target: noDigest },
      { ...good, target: noType },
      { ...good, labels: { "": "x" } },
      { ...good, labels: { k: "x".repeat(4096) } },
      { ...good, labels: { k: 1 } },
    ] as ImageRecord[];
    for (const image of bad) await rejects(store.create(image), "INVALID_IMAGE");
    await rejects(store.create({ ...good, target: { ...good.target, size: -1 } }), "INVALID_DOCUMENT");
    await rejects(store.create({ ...good, target: { ...good.target, digest: "sha256:x" as never } }), "INVALID_DIGEST");
    assert.deepEqual(await store.list(), []);
  });

  add("set creates a name or moves it, and keeps its labels and its time of creation", async (store) => {
    const made = await store.set("x", target("x"));
    await store.update({ ...made, labels: { a: "1" } }, "labels");
    const again = await store.set("x", target("y"));
    assert.deepEqual([again.labels, again.target.digest], [{ a: "1" }, digestOf("y")]);
    assert.deepEqual(again.createdAt, made.createdAt);
  });

  add("the list is in byte order", async (store) => {
    const names = ["b", "a", "A", "\u{1F600}", "\uFF5E", "é", "a:1", "a-1", "Z", "10", "9"];
    for (const name of names) await store.create({ name, target: target(name) });
    const bytewise = [...names].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    assert.deepEqual(
      (await store.list()).map(({ name }) => name),
      bytewise,
    );
  });

  add("names of one namespace are unknown in another", async (store, all) => {
    await store.create({ name: "x", target: target("x") });
    const other = all("team-a.b_c");
    assert.deepEqual(await other.list(), []);
    await rejects(other.get("x"), "IMAGE_NOT_FOUND");
    await other.create({ name: "x", target: target("y") });
    await other.delete("x");
    assert.equal((await store.get("x")).target.digest, digestOf("x"));
    for (const bad of ["", "a b", "-a", "a-", "a..b", "a/b", "ä", "a".repeat(77)]) {
      assert.throws(
        () => all(bad),
        (error) => isGantryError(error, "INVALID_NAMESPACE"),
      );
    }
    assert.deepEqual(await all("a".repeat(76)).list(), []);
  });

  add("names and labels are never executed as SQL", async (store) => {
    const name = "x'; DROP TABLE gantry_images; --\"`%_\\";
    await store.create({ name, target: target(name), labels: { [name]: name } });
    assert.deepEqual(
      (await store.list(`name==${JSON.stringify(name)}`)).map((image) => image.labels),
      [{ [name]: name }],
    );
    await store.delete(name);
    assert.deepEqual(await store.list("name~=%"), []);
  });

  add("concurrent writers lose no update", async (store) => {
    await store.create({ name: "x", target: target("x") });
    const keys = Array.from({ length: 20 }, (_, at) => `k${at}`);
    await Promise.all(
      keys.map((key) => store.update({ name: "x", target: target("x"), labels: { [key]: "1" } }, `labels.${key}`)),
    );
    assert.deepEqual(Object.keys((await store.get("x")).labels).sort(), [...keys].sort());
    const made = await Promise.allSettled(keys.map(() => store.create({ name: "y", target: target("y") })));
    assert.equal(made.filter(({ status }) => status === "fulfilled").length, 1);
  });
}
