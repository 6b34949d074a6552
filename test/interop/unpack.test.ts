import { chmodSync, lutimesSync } from "node:fs";
import { basename, join } from "node:path";
import { describe, expect, test } from "vitest";
import { native } from "../../src/sys/native.ts";
import { debianImage, dockerRegistry, gantry, missing, peer, skopeo } from "../support/peers.ts";
import { temporary } from "../support/temporary.ts";
import { compareTrees, type Difference, readTree } from "../support/tree.ts";

const reason = missing({ programs: ["docker-registry", "skopeo", "umoci", "getfattr", "setcap"], root: true });

/**
 * Where our tree is not umoci's: one row for each path and attribute, with the sentence of the specification and the
 * second judge that decide for us.
 */
const exceptions: readonly { image: string; path: string; attribute: string; because: string }[] = [];

function unexplained(image: string, differences: readonly Difference[]): Difference[] {
  return differences.filter(
    ({ path, attribute }) => !exceptions.some((e) => e.image === image && e.path === path && e.attribute === attribute),
  );
}

/** From skopeo into Debian's registry, from there with gantry into a store and a tree; umoci's tree beside it. */
async function both(layout: string, work: string): Promise<{ ours: string; theirs: string }> {
  const host = await dockerRegistry(join(work, "registry"));
  await skopeo("copy", "-q", "--dest-tls-verify=false", `oci:${layout}:latest`, `docker://${host}/image:latest`);
  const store = join(work, "store");
  const pulled = await gantry(["pull", "--store", store, "--progress", "none", `${host}/image:latest`]);
  expect(pulled).toMatchObject({ code: 0, stderr: "" });
  const ours = join(work, "ours");
  const unpacked = await gantry(["unpack", "--store", store, "--progress", "none", `${host}/image:latest`, ours]);
  expect(unpacked).toMatchObject({ code: 0, stderr: "" });
  await peer("umoci", ["unpack", "--image", `${layout}:latest`, join(work, "theirs")]);
  return { ours, theirs: join(work, "theirs/rootfs") };
}

/** Layouts tagged `latest` to compare beside the one that is made here, separated by colons. */
const given = (process.env["GANTRY_TEST_IMAGES"] ?? "").split(":").filter(Boolean);

describe.skipIf(reason)(`the tree of an image, beside umoci${reason ? ` (${reason})` : ""}`, () => {
  test("is the same in paths, types, modes, owners, times, links, devices, attributes and content", async () => {
    const work = await temporary();
    const { ours, theirs } = await both(await debianImage(join(work, "image")), work);
    const [a, b] = [readTree(ours), readTree(theirs)];
    expect(b.size).toBeGreaterThan(300);
    const types = new Set([...b.values()].map((node) => node.type));
    expect([...types].sort()).toEqual(["block", "char", "directory", "fifo", "file", "symlink"]);
    expect(exceptions.length).toBeLessThanOrEqual(20);
    expect(unexplained("debian", compareTrees(a, b))).toEqual([]);
  }, 180_000);

  for (const layout of given) {
    test(`is the same for ${layout}`, async () => {
      const { ours, theirs } = await both(layout, await temporary());
      const [a, b] = [readTree(ours), readTree(theirs)];
      expect(unexplained(basename(layout), compareTrees(a, b))).toEqual([]);
      process.stdout.write(`${layout}: ${b.size} paths alike\n`);
    }, 900_000);
  }

  test("is seen to differ when one mode, one time and one attribute are changed", async () => {
    const work = await temporary();
    const image = await debianImage(join(work, "image"));
    const tree = join(work, "ours");
    expect(await gantry(["unpack", "--progress", "none", `oci:${image}:latest`, tree])).toMatchObject({ code: 0 });
    const before = readTree(tree);
    chmodSync(join(tree, "usr/bin/tar"), 0o754);
    lutimesSync(join(tree, "srv/odd/s1"), 1, 1);
    native().lsetxattr(join(tree, "srv/odd/f1"), "user.text", Buffer.from("hallo"));
    const found = compareTrees(readTree(tree), before).map(({ path, attribute }) => `${path} ${attribute}`);
    // h1 was a hard link of f1 until the last layer removed it, so nothing else changes with it.
    expect(found.sort()).toEqual(["srv/odd/f1 xattrs", "srv/odd/s1 mtime", "usr/bin/tar mode"]);
  });
});
