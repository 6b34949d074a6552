import assert from "node:assert/strict";
import { digestOf } from "../spec/digest.ts";
import type { FieldPath } from "../store/images.ts";
import { rejects } from "./contract-case.ts";
import { type AddCase, target } from "./image-store-case.ts";

/** Updates, with and without field paths. */
export function updateCases(add: AddCase): void {
  add("an update without field paths replaces everything but createdAt", async (store) => {
    const made = await store.create({ name: "x", target: target("x"), labels: { a: "1", b: "2" } });
    const updated = await store.update({ name: "x", target: target("y"), labels: { c: "3" } });
    assert.deepEqual(updated.labels, { c: "3" });
    assert.equal(updated.target.digest, digestOf("y"));
    assert.deepEqual(updated.createdAt, made.createdAt);
    assert.deepEqual((await store.update({ name: "x", target: target("y") })).labels, {});
  });

  const updates: [
    title: string,
    fields: FieldPath[],
    labels: Record<string, string>,
    expected: Record<string, string>,
  ][] = [
    ["labels replaces the map", ["labels"], { c: "3" }, { c: "3" }],
    ["labels.KEY sets one label", ["labels.c"], { c: "3", d: "4" }, { a: "1", "b.c": "2", c: "3" }],
    ["labels.KEY with dots is one key", ["labels.b.c"], { "b.c": "x" }, { a: "1", "b.c": "x" }],
    ["labels.KEY with an empty value removes it", ["labels.a"], { a: "" }, { "b.c": "2" }],
    ["labels.KEY without a value removes it", ["labels.a"], {}, { "b.c": "2" }],
    ["several paths", ["labels.a", "labels.c"], { c: "3" }, { "b.c": "2", c: "3" }],
  ];
  for (const [title, fields, labels, expected] of updates) {
    add(`update: ${title}`, async (store) => {
      await store.create({ name: "x", target: target("x"), labels: { a: "1", "b.c": "2" } });
      const updated = await store.update({ name: "x", target: target("y"), labels }, ...fields);
      assert.deepEqual(updated.labels, expected);
      assert.equal(updated.target.digest, digestOf("x"));
      assert.deepEqual(await store.get("x"), updated);
    });
  }

  add(
    "update: the target is replaced as a whole, and any other path is an error that changes nothing",
    async (store) => {
      const annotated = { ...target("x"), annotations: { a: "1" } };
      await store.create({ name: "x", target: annotated, labels: { a: "1" } });
      const updated = await store.update({ name: "x", target: target("y"), labels: {} }, "target");
      assert.deepEqual([updated.target, updated.labels], [target("y"), { a: "1" }]);
      for (const path of ["name", "createdAt", "target.digest", "labels.", "nosuch", ""] as FieldPath[])
        await rejects(
          store.update({ name: "x", target: target("z"), labels: { "": "x" } }, "target", path),
          "INVALID_IMAGE",
        );
      assert.deepEqual(await store.get("x"), updated);
    },
  );
}
