import { join } from "node:path";
import { expect, test } from "vitest";
import { pushImage, randomImage, startTestRegistry, testIndex } from "../src/testing/index.ts";
import { gantry } from "./support/peers.ts";
import { temporary } from "./support/temporary.ts";

test("rm of a tag that the registry does not delete offers no command that deletes more", async () => {
  await using server = await startTestRegistry({
    faults: [{ on: { kind: "status", status: 405 }, path: /manifests/, method: "DELETE" }],
  });
  await pushImage(server.registry, "app", randomImage(), "v1");
  const { code, stderr } = await gantry(["rm", `${server.host}/app:v1`]);
  expect(code).not.toBe(0);
  expect(stderr).toContain("does not allow deleting tags, and deleting the manifest by its digest removes every tag");
  expect(stderr).not.toMatch(/gantry rm|sha256:/);
});

test("a missing repository and a missing tag are answered with a command that can be copied", async () => {
  await using server = await startTestRegistry();
  await pushImage(server.registry, "app", randomImage(), "v1");
  const { host } = server;
  expect((await gantry(["ls", `${host}/nope`])).stderr).toContain(
    `; \`gantry catalog ${host}\` lists the repositories`,
  );
  const pull = ["pull", "--store", join(await temporary(), "store"), `${host}/app:v2`];
  expect((await gantry(pull)).stderr).toContain(`; \`gantry ls ${host}/app\` lists the tags`);
  expect((await gantry(["ls", `${host}/app`])).stdout).toBe("v1\n");
});

test("the first example of push works after a pull, which takes one platform", async () => {
  await using server = await startTestRegistry();
  const { host } = server;
  const [one, two] = ["amd64", "arm64"].map((architecture, seed) =>
    randomImage({ seed, platform: { os: "linux", architecture } }),
  );
  await pushImage(server.registry, "alpine", testIndex([one!, two!]), "3.20");
  const store = ["--store", join(await temporary(), "store")];
  expect((await gantry(["pull", ...store, "--platform", "linux/amd64", `${host}/alpine:3.20`])).code).toBe(0);
  const { stdout } = await gantry(["push", "--help"]);
  const line = /Examples:[^$]*\$ gantry push (.*)/.exec(stdout)![1]!;
  const words = line.replace("registry.example/", `${host}/copy/`).replace(" alpine:", ` ${host}/alpine:`).split(" ");
  expect(await gantry(["push", ...store, ...words])).toMatchObject({ code: 0 });
});
