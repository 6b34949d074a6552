import { readdirSync, readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Ajv2020 } from "ajv/dist/2020.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { pushImage, seededBytes, startTestRegistry, testImage, testIndex, testLayer } from "../src/testing/index.ts";
import type { TestRegistry } from "../src/testing/registry.ts";
import { gantry } from "./support/peers.ts";
import { temporary } from "./support/temporary.ts";

const directory = join(import.meta.dirname, "../docs/schema");
const ajv = new Ajv2020({ allErrors: true, strict: true, validateFormats: false });
for (const file of readdirSync(directory)) {
  ajv.addSchema(JSON.parse(readFileSync(join(directory, file), "utf8")), file);
}
const used = new Set<string>(["platform"]);

/** Fails with what the schema says; a field that it does not list is a fault too. */
function fits(schema: string, value: unknown): void {
  used.add(schema);
  const validate = ajv.getSchema(`${schema}.json`);
  expect(validate, `docs/schema/${schema}.json`).toBeDefined();
  const valid = validate!(value);
  expect(validate!.errors ?? [], `${schema} of ${JSON.stringify(value)}`).toEqual([]);
  expect(valid).toBe(true);
}

async function json(...args: readonly string[]): Promise<unknown> {
  const { code, stdout, stderr } = await gantry([...args, "--json"]);
  expect({ args, code, stderr }).toMatchObject({ args, code: 0 });
  return JSON.parse(stdout);
}

describe("the output of --json fits the schemas in docs/schema", () => {
  let server: TestRegistry;
  let image: string;
  /** Large enough to be unpacked by workers. */
  const layer = testLayer([{ name: "etc/motd", data: seededBytes(5 << 20, 1) }]);

  beforeAll(async () => {
    server = await startTestRegistry();
    image = `${server.host}/team/app:v1`;
    const images = ["amd64", "arm64"].map((architecture) =>
      testImage([layer], { platform: { os: "linux", architecture }, config: { Cmd: ["/bin/sh"] } }),
    );
    await pushImage(server.registry, "team/app", testIndex(images), "v1");
  });
  afterAll(() => server.close());

  test("of commands that move images", async () => {
    const work = await temporary();
    const store = join(work, "store");
    fits("pull", await json("pull", "--store", store, "--platform", "linux/amd64", image));
    fits("pull", await json("pull", "--store", store, "--platform", "linux/amd64", image));
    fits("copy", await json("cp", image, `oci:${join(work, "layout")}:v1`));
    fits("copy", await json("push", "--store", store, "--platform", "linux/amd64", image, `${server.host}/team/b:v1`));
    fits("unpack", await json("unpack", "--store", store, "--platform", "linux/amd64", image, join(work, "rootfs")));
  });

  test("of commands that show images", async () => {
    fits("inspect", await json("inspect", image));
    fits("inspect", await json("inspect", "--platform", "linux/amd64", image));
    fits("descriptor", await json("digest", image));
    fits("descriptor", await json("digest", "--platform", "linux/arm64", image));
    fits("manifest", await json("manifest", image));
    fits("config", await json("config", "--platform", "linux/amd64", image));
    fits("referrers", await json("referrers", image));
    fits("explain", await json("explain", image));
    fits("explain", await json("explain", "ghcr.io/o/r"));
    fits("ratelimit", await json("ratelimit", image));
  });

  test("of commands that list and change names", async () => {
    fits("tag", await json("tag", image, "v2"));
    fits("names", await json("ls", `${server.host}/team/app`));
    fits("names", await json("catalog", server.host));
    fits("removed", await json("rm", `${server.host}/team/app:v2`));
  });

  test("of commands on the local store", async () => {
    const store = await temporary();
    await json("pull", "--store", store, "--platform", "linux/amd64", image);
    fits("images", await json("images", "ls", "--store", store));
    fits("image", await json("images", "label", "--store", store, image, "team=core"));
    fits("fsck", await json("images", "fsck", "--store", store));
    fits("removed", await json("images", "rm", "--store", store, image));
    fits("gc", await json("images", "gc", "--store", store, "--dry-run"));
    fits("gc", await json("images", "gc", "--store", store));
    fits("version", await json("version"));
    fits("help", await json("help"));
    fits("help", await json("help", "images", "rm"));
  });

  test("of login and logout, and of progress", async () => {
    const work = await temporary();
    const file = join(work, "auth.json");
    const args = ["login", "--username", "user", "--password-stdin", "--auth-file", file, server.host, "--json"];
    const login = await gantry(args, { input: "secret" });
    expect(login).toMatchObject({ code: 0 });
    fits("login", JSON.parse(login.stdout));
    fits("logout", await json("logout", "--auth-file", file, server.host));
    server.faults = [{ on: { kind: "status", status: 503 }, path: /blobs/, times: 1 }];
    const pull = [
      "pull",
      "--json",
      "--progress",
      "json",
      "--store",
      join(work, "progress"),
      "--platform",
      "linux/amd64",
      image,
    ];
    const { code, stderr } = await gantry(pull);
    expect(code).toBe(0);
    const events = stderr.trim().split("\n");
    expect(events.length).toBeGreaterThan(4);
    for (const event of events) fits("progress", JSON.parse(event));
  });

  test("of fsck for a damaged store; and every schema belongs to an output", async () => {
    const store = await temporary();
    await json("pull", "--store", store, "--platform", "linux/amd64", image);
    const blob = layer.descriptor.digest.replace(":", "/");
    await writeFile(join(store, "blobs", blob), "wrong");
    const { stdout } = await gantry(["images", "fsck", "--store", store, "--json"]);
    fits("fsck", JSON.parse(stdout));
    const serve = new Set(["serve"]); // Its one line is checked where a server is started: test/serve.test.ts.
    const files = readdirSync(directory).map((file) => file.replace(".json", ""));
    expect(files.filter((file) => !used.has(file) && !serve.has(file))).toEqual([]);
  });
});
