import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { cp, readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { LayoutRegistry } from "../src/registry/index.ts";
import { digestOf, hexOf } from "../src/spec/index.ts";
import {
  type Misbehaviour,
  pushImage,
  seededBytes,
  startTestRegistry,
  testBlob,
  testImage,
  testLayer,
} from "../src/testing/index.ts";
import { gantry } from "./support/peers.ts";
import { temporary } from "./support/temporary.ts";

const layers = [1, 2, 3].map((seed) => testLayer([{ name: `file-${seed}`, data: seededBytes(120_000, seed) }]));
const image = testImage(layers);
const good = testImage([testLayer([{ name: "good", data: seededBytes(9_000, 77) }])]);
const manifest = image.documents[0]!;
const config = image.blobs[0]!;
const targets = { manifest, config, "first layer": layers[0]!, "last layer": layers[2]! } as const;
type Target = keyof typeof targets;

/** Nothing below blobs/ but what its name says, no name but the good one, no tree, leftovers only in tmp/. */
async function expectUnharmed(store: string, rootfs: string, goodName: string): Promise<void> {
  for (const name of readdirSync(join(store, "blobs/sha256"))) {
    expect(
      createHash("sha256")
        .update(readFileSync(join(store, "blobs/sha256", name)))
        .digest("hex"),
    ).toBe(name);
  }
  const { manifests } = JSON.parse(await readFile(join(store, "index.json"), "utf8"));
  expect(
    manifests.map(
      (entry: { annotations: Record<string, string> }) => entry.annotations["org.opencontainers.image.ref.name"],
    ),
  ).toEqual([goodName]);
  expect(existsSync(rootfs)).toBe(false);
  expect(
    readdirSync(store)
      .sort()
      .filter((name) => name !== "tmp"),
  ).toEqual(["blobs", "index.json", "layers", "leases", "names.db", "oci-layout", "version.json"]);
  const left = existsSync(join(store, "tmp")) ? readdirSync(join(store, "tmp"), { recursive: true }) : [];
  expect(left.length).toBeLessThanOrEqual(8);
  expect(readdirSync(join(store, "leases"))).toEqual([]);
}

interface Fault {
  readonly name: string;
  readonly on: Misbehaviour;
  readonly exit: number;
  readonly codes: RegExp;
}

const faults: readonly Fault[] = [
  { name: "other bytes of the declared length", on: { kind: "corrupt" }, exit: 5, codes: /DIGEST_MISMATCH/ },
  {
    name: "too few bytes, and declared so",
    on: { kind: "short", bytes: 3 },
    exit: 5,
    codes: /SIZE_MISMATCH|DIGEST_MISMATCH/,
  },
  {
    name: "too many bytes, and declared so",
    on: { kind: "long", bytes: 3 },
    exit: 5,
    codes: /SIZE_MISMATCH|DIGEST_MISMATCH/,
  },
  {
    name: "a connection that always ends early",
    on: { kind: "cut", after: 40 },
    exit: 1,
    codes: /TRANSFER_INTERRUPTED/,
  },
];

describe("bad bytes from a registry", () => {
  for (const target of Object.keys(targets) as Target[]) {
    for (const fault of faults) {
      test(`${fault.name}, in the ${target}: exit ${fault.exit}, and the target stays intact`, async () => {
        const work = await temporary();
        const { digest } = targets[target].descriptor;
        await using server = await startTestRegistry();
        await pushImage(server.registry, "app", image, "v1");
        await pushImage(server.registry, "good", good, "v1");
        const store = join(work, "store");
        const goodName = `${server.host}/good:v1`;
        expect(await gantry(["pull", "--progress", "none", "--store", store, goodName])).toMatchObject({ code: 0 });
        // Ranges are refused, so that a broken connection does not come further with each try.
        server.faults = [
          { on: { kind: "noRange" } },
          {
            on: fault.on,
            method: "GET",
            path: new RegExp(target === "manifest" ? "/app/manifests/" : `/app/blobs/${digest}`),
          },
        ];
        const rootfs = join(work, "rootfs");
        // By digest, so that the manifest too has bytes that it must have.
        const name = `${server.host}/app:v1@${image.descriptor.digest}`;
        const ran = await gantry(["unpack", "--progress", "none", "--store", store, name, rootfs]);
        expect(ran.stderr).toMatch(fault.codes);
        expect(ran.stderr).toContain(digest);
        expect(ran.stderr).toContain("source: ");
        expect(ran.code).toBe(fault.exit);
        if (fault.exit === 1) {
          const tried = server.requests.filter(
            ({ method, path }) => method === "GET" && path.includes(target === "manifest" ? "/app/manifests/" : digest),
          );
          expect(tried.length).toBeGreaterThan(1);
        }
        await expectUnharmed(store, rootfs, goodName);
        server.faults = [];
        expect(await gantry(["unpack", "--progress", "none", "--store", store, name, rootfs])).toMatchObject({
          code: 0,
        });
        expect(readFileSync(join(rootfs, "file-3")).equals(seededBytes(120_000, 3))).toBe(true);
      });
    }
  }

  test("a manifest with another digest than the registry announced: exit 5", async () => {
    const work = await temporary();
    await using server = await startTestRegistry({
      faults: [
        { on: { kind: "replace", body: good.documents[0]!.bytes }, method: "GET", path: /\/app\/manifests\/sha256:/ },
      ],
    });
    await pushImage(server.registry, "app", image, "v1");
    const ran = await gantry([
      "pull",
      "--progress",
      "none",
      "--store",
      join(work, "store"),
      `${server.host}/app@${image.descriptor.digest}`,
    ]);
    expect(ran).toMatchObject({ code: 5 });
    expect(ran.stderr).toContain("DIGEST_MISMATCH");
    expect(ran.stderr).toContain(good.descriptor.digest);
  });
});

/** Where a wrong diffID may stand: what the config says of the first or of the last layer. */
describe("a wrong diffID", () => {
  for (const at of [0, 2]) {
    for (const from of ["registry", "layout"] as const) {
      test(`of layer ${at}, from a ${from}: exit 5, and no tree`, async () => {
        const work = await temporary();
        const diffIDs = layers.map((layer, index) => (index === at ? digestOf("another") : layer.diffID));
        const wrong = testImage(layers, { diffIDs });
        const rootfs = join(work, "rootfs");
        await using server = await startTestRegistry();
        let name = `oci:${work}/layout:v1`;
        if (from === "layout") {
          const layout = new LayoutRegistry(join(work, "layout"), { create: true });
          await pushImage(layout, layout.defaultRepository, wrong, "v1");
          await layout.close();
        } else {
          await pushImage(server.registry, "app", wrong, "v1");
          name = `${server.host}/app:v1`;
        }
        const ran = await gantry(["unpack", "--progress", "none", "--store", join(work, "store"), name, rootfs]);
        expect(ran.stderr).toMatch(/DIFF_ID_MISMATCH/);
        expect(ran.stderr).toContain(layers[at]!.descriptor.digest);
        expect(ran.code).toBe(5);
        expect(readdirSync(work).filter((entry) => entry.includes("rootfs"))).toEqual([]);
      });
    }
  }
});

describe("bad bytes in a layout", () => {
  const bad: readonly { name: string; change: (bytes: Buffer) => Buffer; codes: RegExp }[] = [
    {
      name: "other bytes of the declared length",
      change: (bytes) => Buffer.concat([bytes.subarray(0, -1), Buffer.from([bytes.at(-1)! ^ 1])]),
      codes: /DIGEST_MISMATCH/,
    },
    { name: "too few bytes", change: (bytes) => bytes.subarray(0, -2), codes: /SIZE_MISMATCH/ },
    { name: "too many bytes", change: (bytes) => Buffer.concat([bytes, Buffer.from("xx")]), codes: /SIZE_MISMATCH/ },
  ];
  for (const target of Object.keys(targets) as Target[]) {
    for (const { name, change, codes } of bad) {
      test(`${name}, in the ${target}: exit 5 for unpack and for cp, and the target stays intact`, async () => {
        const work = await temporary();
        const layout = new LayoutRegistry(join(work, "layout"), { create: true });
        await pushImage(layout, layout.defaultRepository, image, "v1");
        await layout.close();
        const { bytes, descriptor } = targets[target];
        writeFileSync(join(work, "layout/blobs/sha256", hexOf(descriptor.digest)), change(bytes));
        const rootfs = join(work, "rootfs");
        const unpacked = await gantry(["unpack", "--progress", "none", `oci:${work}/layout:v1`, rootfs]);
        expect(unpacked.stderr).toMatch(codes);
        expect(unpacked.stderr).toContain(descriptor.digest);
        expect(unpacked.code).toBe(5);
        expect(readdirSync(work)).toEqual(["layout"]);
        const copy = new LayoutRegistry(join(work, "copy"), { create: true });
        await pushImage(copy, copy.defaultRepository, good, "good");
        await copy.close();
        await cp(join(work, "copy/index.json"), join(work, "before.json"));
        const copied = await gantry(["cp", "--progress", "none", `oci:${work}/layout:v1`, `oci:${work}/copy:v1`]);
        expect(copied.stderr).toMatch(codes);
        expect(copied.stderr).toContain("source: ");
        expect(copied.code).toBe(5);
        expect(readFileSync(join(work, "copy/index.json"))).toEqual(readFileSync(join(work, "before.json")));
        for (const blob of readdirSync(join(work, "copy/blobs/sha256"))) {
          expect(testBlob(readFileSync(join(work, "copy/blobs/sha256", blob))).descriptor.digest).toBe(
            `sha256:${blob}`,
          );
        }
      });
    }
  }
});
