import { join } from "node:path";
import { expect, test } from "vitest";
import { pushImage, randomImage, startTestRegistry } from "../src/testing/index.ts";
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
