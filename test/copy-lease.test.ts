import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { pushImage, randomImage, startTestRegistry } from "../src/testing/index.ts";
import { copy, pull, push } from "../src/verbs/index.ts";
import { main } from "./support/peers.ts";
import { temporary } from "./support/temporary.ts";

/** Removes every name of a store and collects what none leads to, in other processes. */
function removeAll(store: string, name: string): void {
  for (const args of [
    ["images", "rm", "--store", store, name],
    ["images", "gc", "--store", store],
  ]) {
    const ran = spawnSync(process.execPath, [main, ...args], { encoding: "utf8" });
    expect([args, ran.status, ran.stderr]).toEqual([args, 0, expect.anything()]);
  }
}

test.each(["push", "cp"])("an image that %s reads is not collected when its name is removed", async (way) => {
  const work = await temporary();
  const server = await startTestRegistry();
  const image = randomImage({ sizes: [1_000, 2_000, 3_000] });
  await pushImage(server.registry, "app", image, "v1");
  const store = join(work, "store");
  const name = `${server.host}/app:v1`;
  await pull(name, { store });
  let removed = false;
  const progress = ({ type }: { readonly type: string }): void => {
    // With the first blob under way, the others are only named.
    if (type === "start" && !removed) {
      removed = true;
      removeAll(store, name);
    }
  };
  const to = `${server.host}/copy:v1`;
  const sent = await (way === "push"
    ? push(name, to, { store, parallel: 1, progress })
    : copy(`store:${name}`, `oci:${join(work, "layout")}:v1`, { store, parallel: 1, progress }));
  expect([removed, sent.descriptor.digest]).toEqual([true, image.descriptor.digest]);
  expect(readdirSync(join(store, "leases"))).toEqual([]);
  await server.close();
});
