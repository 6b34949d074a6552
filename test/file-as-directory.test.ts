import { symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parseRepoName } from "../src/reference/index.ts";
import { LayoutRegistry } from "../src/registry/index.ts";
import { pushImage, testImage } from "../src/testing/index.ts";
import { gantry } from "./support/peers.ts";
import { temporary } from "./support/temporary.ts";

test("a file in place of the directory of a layout or store is an error that names the file, not an internal one", async () => {
  const work = await temporary();
  const [file, layout] = [join(work, "image.tar"), join(work, "layout")];
  writeFileSync(file, "");
  await pushImage(new LayoutRegistry(layout, { create: true }), parseRepoName("layout"), testImage([]), "v1");
  const archive = `${file} is a file, not a directory with an image layout; archives are not supported yet`;
  const store = `${file} is a file, not the directory of a store; name a directory with --store`;
  const lines: readonly [string, string, number][] = [
    [`inspect oci:${file}`, archive, 3],
    [`catalog oci:${file}`, archive, 3],
    [`cp oci:${file}:v1 oci:${layout}:v2`, archive, 3],
    [`cp oci:${layout}:v1 oci:${file}:v1`, archive, 3],
    [`serve oci:${file}`, archive, 3],
    [`inspect oci:${file}/inner`, `${file}/inner is below a file, not a directory with an image layout`, 3],
    [`inspect oci:${work}/none`, `there is no directory ${work}/none; check the path`, 3],
    [`inspect oci:${work}`, `${work} is not an image layout: it has no index.json`, 3],
    ...[
      "pull a.test/a",
      "push a.test/a",
      `unpack a.test/a ${work}/rootfs`,
      "images ls",
      "images fsck",
      "serve store:",
    ].map((line): [string, string, number] => [`${line} --store ${file}`, store, 1]),
  ];
  await Promise.all(
    lines.map(async ([line, message, exit]) => {
      const { code, stderr } = await gantry(line.split(" "));
      expect([line, code, stderr]).toEqual([line, exit, expect.stringContaining(message)]);
      expect([line, stderr.trim().split("\n").length]).toEqual([line, 1]);
    }),
  );
});

test("a symbolic link to the directory of a layout or store is followed", async () => {
  const work = await temporary();
  const [layout, link, store] = [join(work, "layout"), join(work, "link"), join(work, "store")];
  await pushImage(new LayoutRegistry(layout, { create: true }), parseRepoName("layout"), testImage([]), "v1");
  symlinkSync(layout, link);
  symlinkSync(work, store);
  expect(await gantry(["catalog", `oci:${link}`])).toMatchObject({ code: 0 });
  expect(await gantry(["images", "ls", "--store", store])).toMatchObject({ code: 0 });
});
