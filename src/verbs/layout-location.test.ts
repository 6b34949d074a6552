import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { temporary } from "../../test/support/temporary.ts";
import { pushImage, rejects, startTestRegistry, testImage, testIndex, testLayer } from "../testing/index.ts";
import { catalog, copy, inspect, open, remove, resolve, tags, unpack } from "./index.ts";
import { type Named, parseLayoutLocation } from "./layout-location.ts";

const digest = `sha256:${"a".repeat(64)}`;

async function collect(names: AsyncIterable<string>): Promise<string[]> {
  const found: string[] = [];
  for await (const name of names) found.push(name);
  return found;
}

describe("oci:DIR[[:REPO]:TAG|@DIGEST]", () => {
  /** Directories that exist: `made`, `with:colon`, `with:colon/inner`, `at@sign`. All others do not. */
  test.each<[string, Named, string, (string | undefined)?, string?]>([
    // text, wanted, directory, repository, tag or digest
    ["made", "image", "made"],
    ["made", "repository", "made"],
    ["made:v1", "image", "made", undefined, "v1"],
    ["made:v1", "repository", "made", "v1"],
    ["made:foo/bar", "image", "made", "foo/bar"],
    ["made:foo/bar", "repository", "made", "foo/bar"],
    ["made:app:v1", "image", "made", "app", "v1"],
    ["made:foo/bar:v1", "image", "made", "foo/bar", "v1"],
    ["made:foo/bar:v1", "repository", "made", "foo/bar", "v1"],
    [`made@${digest}`, "image", "made", undefined, digest],
    [`made:app@${digest}`, "image", "made", "app", digest],
    [`made:foo/bar@${digest}`, "image", "made", "foo/bar", digest],
    [`made:app:v1@${digest}`, "image", "made", "app", digest],
    ["new", "image", "new"],
    ["new:v1", "image", "new", undefined, "v1"],
    ["new:foo/bar", "image", "new", "foo/bar"],
    ["new:foo/bar:1", "image", "new", "foo/bar", "1"],
    ["new:app:1", "image", "new", "app", "1"],
    [`new:foo/bar@${digest}`, "image", "new", "foo/bar", digest],
    ["absent/new:foo/bar:1", "image", "absent/new", "foo/bar", "1"],
    ["made/new:foo/bar:1", "image", "made/new", "foo/bar", "1"],
    // A directory with a colon: an existing directory decides; for a new one its parent does.
    ["with:colon", "image", "with:colon"],
    ["with:colon:v1", "image", "with:colon", undefined, "v1"],
    ["with:colon:foo/bar:1", "image", "with:colon", "foo/bar", "1"],
    ["with:colon/inner:v1", "image", "with:colon/inner", undefined, "v1"],
    ["with:colon/new", "image", "with:colon/new"],
    ["with:colon/new:v1", "image", "with:colon/new", undefined, "v1"],
    ["with:colon/new:app:v1", "image", "with:colon/new", "app", "v1"],
    ["at@sign:v1", "image", "at@sign", undefined, "v1"],
    [`at@sign@${digest}`, "image", "at@sign", undefined, digest],
  ])("%s, where %s is wanted", async (text, wanted, directory, repo, reference) => {
    const work = await temporary();
    for (const name of ["made", "with:colon/inner", "at@sign"]) mkdirSync(join(work, name), { recursive: true });
    expect(parseLayoutLocation(join(work, text), wanted)).toEqual({
      directory: join(work, directory),
      repo,
      reference,
    });
  });

  test.each(["new:Foo:1", "new:foo/bar:", "new:", "new::1", "new@sha256:short", ":v1", ""])(
    "oci:%s is refused",
    async (text) => {
      const cwd = process.cwd();
      onTestFinished(() => process.chdir(cwd));
      process.chdir(await temporary());
      await rejects(async () => open(`oci:${text}`), "INVALID_REFERENCE");
    },
  );
});

describe("a layout of many repositories", () => {
  const image = testImage([testLayer([{ name: "file", data: "x" }])]);
  const other = testIndex([testImage([testLayer([{ name: "file", data: "y" }])])]);

  test("is created by a copy to a repository with slashes, and lists its repositories", async () => {
    await using server = await startTestRegistry();
    await pushImage(server.registry, "app", image, "v1");
    await pushImage(server.registry, "app", other, "v2");
    const work = await temporary();
    const layout = `oci:${work}/new`;
    await copy(`${server.host}/app:v1`, `${layout}:foo/bar:1`);
    await copy(`${server.host}/app:v2`, `${layout}:foo/bar:2`);
    await copy(`${server.host}/app:v2`, `${layout}:app:v2`);
    await copy(`${server.host}/app:v1`, `${layout}:foo/bar`);
    expect(await collect(catalog(layout))).toEqual(["app", "foo/bar"]);
    expect(await collect(tags(`${layout}:foo/bar`))).toEqual(["1", "2", "latest"]);
    expect(await collect(tags(`${layout}:app`))).toEqual(["v2"]);
    expect(await resolve(`${layout}:foo/bar:2`)).toMatchObject({ digest: other.descriptor.digest });
    expect(await resolve(`${layout}:foo/bar`)).toMatchObject({ digest: image.descriptor.digest });
    expect((await inspect(`${layout}:foo/bar@${other.descriptor.digest}`)).images).toHaveLength(1);
    await unpack(`${layout}:foo/bar:1`, join(work, "rootfs"), { store: join(work, "store") });
    await rejects(remove(`${layout}:foo/bar`), "USAGE");
    await remove(`${layout}:foo/bar:2`);
    expect(await collect(tags(`${layout}:foo/bar`))).toEqual(["1", "latest"]);
  });

  test("lists its repositories in the error for an unknown one", async () => {
    await using server = await startTestRegistry();
    await pushImage(server.registry, "app", image, "v1");
    const layout = `oci:${await temporary()}/new`;
    await rejects(collect(tags(layout)), "NAME_UNKNOWN");
    await copy(`${server.host}/app:v1`, `${layout}:foo/bar:1`);
    await copy(`${server.host}/app:v1`, `${layout}:app:1`);
    for (const location of [layout, `${layout}:none`, `${layout}:none/at/all`]) {
      await expect(collect(tags(location))).rejects.toThrow(
        /it has app, foo\/bar: list one with `gantry ls oci:.*:REPO`/,
      );
    }
    await rejects(collect(tags(`${layout}:foo/bar:1`)), "USAGE");
    await copy(`${server.host}/app:v1`, `${layout}:own`);
    expect(await collect(tags(layout))).toEqual(["own"]);
    expect(await collect(tags(`${layout}:new`))).toEqual(["own"]);
  });
});
