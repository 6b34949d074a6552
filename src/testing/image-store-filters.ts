import assert from "node:assert/strict";
import { isGantryError } from "../base/error.ts";
import { mediaTypes } from "../spec/media-types.ts";
import type { ImageRecord } from "../store/images.ts";
import { type AddCase, target } from "./image-store-case.ts";

/** The images that the filters are applied to. */
const shelf: readonly (ImageRecord & { readonly labels: Readonly<Record<string, string>> })[] = [
  { name: "docker.io/library/alpine:3.20", target: target("alpine"), labels: { team: "core", "a-b": "x", "v.w": "1" } },
  { name: "docker.io/library/busybox:1", target: target("busybox", mediaTypes.index), labels: { team: "edge" } },
  { name: "ghcr.io/o/app:v1", target: target("app"), labels: { empty: "", quote: 'say "hi", ok' } },
  { name: "ghcr.io/o/App:V1", target: target("App"), labels: {} },
];
const [alpine, busybox, app, App] = shelf.map(({ name }) => name) as [string, string, string, string];
const inOrder = [alpine, busybox, App, app];

/** Filters and the names that match, with the semantics of containerd. Where containerd leaves cases open, these decide. */
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

/** Invalid filters and the position of the error, counted from 1. */
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

/** The names that match a filter, and the position of the error in an invalid filter. */
export function filterCases(add: AddCase): void {
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
    add(`filter ${JSON.stringify(filter)} is invalid, and the error has its position`, async (store) => {
      for (const filters of [[filter], ["name==x", filter]]) {
        await assert.rejects(store.list(...filters), (error) => {
          assert.ok(isGantryError(error, "INVALID_FILTER"), String(error));
          assert.equal(error.details["position"], position);
          return true;
        });
      }
    });
  }

  add("the error for a field with a dash asks to quote it", async (store) => {
    await assert.rejects(store.list("labels.a-b==x"), /must be quoted: "a-b"/);
  });
}
