import assert from "node:assert/strict";
import { isGantryError } from "../base/error.ts";
import { digestOf } from "../spec/digest.ts";
import { mediaTypes } from "../spec/media-types.ts";
import type { Descriptor } from "../spec/types.ts";
import type { FieldPath, ImageRecord, ImageStore } from "../store/images.ts";
import { rejects } from "./contract-case.ts";

export interface ImageStoreCase {
  readonly name: string;
  /** @param store gives the names of a namespace, the same ones each time */
  run(store: (namespace: string) => ImageStore): Promise<void>;
}

const target = (content: string, mediaType: string = mediaTypes.manifest): Descriptor => ({
  mediaType,
  digest: digestOf(content),
  size: content.length,
});

/** Images that the filters are tried on. */
const shelf: readonly (ImageRecord & { readonly labels: Readonly<Record<string, string>> })[] = [
  { name: "docker.io/library/alpine:3.20", target: target("alpine"), labels: { team: "core", "a-b": "x", "v.w": "1" } },
  { name: "docker.io/library/busybox:1", target: target("busybox", mediaTypes.index), labels: { team: "edge" } },
  { name: "ghcr.io/o/app:v1", target: target("app"), labels: { empty: "", quote: 'say "hi", ok' } },
  { name: "ghcr.io/o/App:V1", target: target("App"), labels: {} },
];
const [alpine, busybox, app, App] = shelf.map(({ name }) => name) as [string, string, string, string];
const inOrder = [alpine, busybox, App, app];

/** Filters, and what they let through: the semantics of containerd, and what it leaves open decided. */
const filterRows: readonly (readonly [filters: readonly string[], names: readonly string[]])[] = [
  [[], inOrder],
  [[""], inOrder],
  [["  "], inOrder],
  [["", "name==nothing"], inOrder],
  [["name"], inOrder],
  [["labels"], []],
  [["labels.team"], [alpine, busybox]],
  [["labels.empty"], [app]],
  [["nosuch"], []],
  [["target"], []],
  [["target.size"], []],
  [["nosuch!=x"], inOrder],
  [["nosuch==x"], []],
  [[`name==${alpine}`], [alpine]],
  [[`name!=${alpine}`], [busybox, App, app]],
  [["name==GHCR.IO/o/app:v1"], []],
  [["name~=alpine"], [alpine]],
  [["name~=^ghcr"], [App, app]],
  [["name~=(?i)app"], [App, app]],
  [["name~=/library\\/(alpine|busybox)/"], [alpine, busybox]],
  [["name~=|library/a|"], [alpine]],
  [["name~=/[.]io\\/o\\/app/"], [app]],
  [["name~=/ghcr\\\\.io/"], [App, app]],
  [["name~=/\\x61l\\160ine\\\\b/"], [alpine]],
  [["name~=|(app\\|alpine)|"], [alpine, app]],
  [['name~="ghcr\\\\.io"'], [App, app]],
  [
    ["name~=/\\u0061lpine/", "name~=/\\U00000062usybox/"],
    [alpine, busybox],
  ],
  [['labels.team=="c\\157re"'], [alpine]],
  [['name~="[.]io"'], inOrder],
  [["labels.team==core"], [alpine]],
  [["labels.team!=core"], [busybox, App, app]],
  [["labels.team~=^$"], [App, app]],
  [["labels.team~=e"], [alpine, busybox]],
  [['labels."a-b"==x'], [alpine]],
  [["labels.v.w==1"], [alpine]],
  [['labels."v.w"==1'], [alpine]],
  [['labels.empty==""'], [app]],
  [['labels.team==""'], []],
  [['labels.team!=""'], [alpine, busybox]],
  [['labels.quote=="say \\"hi\\", ok"'], [app]],
  [["labels.team==core,name~=alpine"], [alpine]],
  [["labels.team==core,name~=busybox"], []],
  [["labels.team==core , name~=alpine"], [alpine]],
  [['labels.team=="core",name~=alpine'], [alpine]],
  [["labels.team == core"], [alpine]],
  [
    ["labels.team==core", "labels.team==edge"],
    [alpine, busybox],
  ],
  [
    ["name~=app", "labels.team==core"],
    [alpine, app],
  ],
  [[`target.digest==${target("app").digest}`], [app]],
  [[`target.digest!=${target("app").digest}`], [alpine, busybox, App]],
  [[`target.mediatype==${mediaTypes.index}`], [busybox]],
  [[`target.mediatype!=${mediaTypes.index}`], [alpine, App, app]],
  [["target.mediatype~=image[.]index"], [busybox]],
  [["name~=.:3"], [alpine]],
  [["labels.team==.core"], []],
];

/** Filters that are wrong, and where, counted from 1. */
const wrongRows: readonly (readonly [filter: string, position: number])[] = [
  ["labels.a-b==x", 9],
  ["name==", 7],
  ["labels.empty==", 15],
  ["name=x", 5],
  ["==x", 1],
  ["name==x,", 9],
  ["name==x,,name==y", 9],
  ['name=="x', 7],
  ["name~=/x", 7],
  ['name=="x"y', 10],
  ["name==x y", 9],
  ["name~=(", 7],
  ["name~=(?<=x)y", 7],
  ["labels.", 8],
  ['name=="\\q"', 8],
  ["name===x", 5],
  ["name!==x", 5],
  ["name~==x", 5],
  ["name=~x", 5],
  ["name == =x", 9],
  ["name==/x/", 7],
  ["name!=|x|", 7],
  ["name~=/a\\.b/", 9],
  ["name~=/\\d/", 8],
  ["name~=|a\\/b|", 9],
  ["name~=/a\\|b/", 9],
  ["name~=/a\\", 9],
  ['name=="\\\'"', 8],
  ['name=="\\x4"', 8],
  ['name=="\\400"', 8],
  ['name=="\\ud800"', 8],
  ['name=="\\xff"', 7],
  ['name=="a\nb"', 7],
  ["name~=/a\nb/", 7],
  ['labels."a\nb"', 8],
];

/**
 * What every store of names must do. Run each case on a fresh, empty one:
 * `for (const { name, run } of imageStoreContract()) test(name, async () => run(await make()))`.
 */
export function imageStoreContract(): ImageStoreCase[] {
  const cases: ImageStoreCase[] = [];
  const add = (name: string, run: (store: ImageStore, all: (namespace: string) => ImageStore) => Promise<void>): void =>
    void cases.push({ name, run: (all) => run(all("default"), all) });

  add("an image comes back as it was created, the whole descriptor with it", async (store) => {
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

  add("times are the store's own, whatever is given", async (store) => {
    const long = new Date(0);
    const given = { name: "x", target: target("x"), createdAt: long, updatedAt: long };
    const made = await store.create(given);
    assert.ok(made.createdAt.getTime() > 0);
    const updated = await store.update({ ...given, target: target("y") });
    assert.equal(updated.createdAt.getTime(), made.createdAt.getTime());
    assert.ok(updated.updatedAt.getTime() >= made.updatedAt.getTime());
  });

  add("what is not there is not found; what is there cannot be created", async (store) => {
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
    ["labels.KEY sets one", ["labels.c"], { c: "3", d: "4" }, { a: "1", "b.c": "2", c: "3" }],
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

  add("update: target is changed as a unit, and any other path is an error that changes nothing", async (store) => {
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
  });

  add("set creates or repoints, and keeps labels and the time of creation", async (store) => {
    const made = await store.set("x", target("x"));
    await store.update({ ...made, labels: { a: "1" } }, "labels");
    const again = await store.set("x", target("y"));
    assert.deepEqual([again.labels, again.target.digest], [{ a: "1" }, digestOf("y")]);
    assert.deepEqual(again.createdAt, made.createdAt);
  });

  add("the list is in the order of the names' bytes", async (store) => {
    const names = ["b", "a", "A", "\u{1F600}", "\uFF5E", "é", "a:1", "a-1", "Z", "10", "9"];
    for (const name of names) await store.create({ name, target: target(name) });
    const bytewise = [...names].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    assert.deepEqual(
      (await store.list()).map(({ name }) => name),
      bytewise,
    );
  });

  add("namespaces do not see each other", async (store, all) => {
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

  add("names and labels are data, never SQL", async (store) => {
    const name = "x'; DROP TABLE gantry_images; --\"`%_\\";
    await store.create({ name, target: target(name), labels: { [name]: name } });
    assert.deepEqual(
      (await store.list(`name==${JSON.stringify(name)}`)).map((image) => image.labels),
      [{ [name]: name }],
    );
    await store.delete(name);
    assert.deepEqual(await store.list("name~=%"), []);
  });

  for (const [filters, names] of filterRows) {
    add(`filter ${JSON.stringify(filters)}`, async (store) => {
      for (const image of shelf) await store.create(image);
      assert.deepEqual(
        (await store.list(...filters)).map(({ name }) => name),
        names,
      );
    });
  }

  for (const [filter, position] of wrongRows) {
    add(`filter ${JSON.stringify(filter)} is wrong, and says where`, async (store) => {
      for (const filters of [[filter], ["name==x", filter]]) {
        await assert.rejects(store.list(...filters), (error) => {
          assert.ok(isGantryError(error, "INVALID_FILTER"), String(error));
          assert.equal(error.details["position"], position);
          return true;
        });
      }
    });
  }

  add("the error for a field with a dash says to quote it", async (store) => {
    await assert.rejects(store.list("labels.a-b==x"), /must be quoted: "a-b"/);
  });

  add("writers at the same time lose nothing", async (store) => {
    await store.create({ name: "x", target: target("x") });
    const keys = Array.from({ length: 20 }, (_, at) => `k${at}`);
    await Promise.all(
      keys.map((key) => store.update({ name: "x", target: target("x"), labels: { [key]: "1" } }, `labels.${key}`)),
    );
    assert.deepEqual(Object.keys((await store.get("x")).labels).sort(), [...keys].sort());
    const made = await Promise.allSettled(keys.map(() => store.create({ name: "y", target: target("y") })));
    assert.equal(made.filter(({ status }) => status === "fulfilled").length, 1);
  });

  return cases;
}
