import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { cp, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { pushImage, seededBytes, startTestRegistry, testImage, testLayer } from "../src/testing/index.ts";
import { gantry, main } from "./support/peers.ts";
import { temporary } from "./support/temporary.ts";

/** 50 kills in the long run; fewer in CI, spread over the same time. */
const scale = Number(process.env["GANTRY_TEST_SCALE"] ?? 1);
const KILLS = Math.max(10, Math.round(50 * scale));

const image = testImage(
  [1, 2, 3, 4].map((seed) => testLayer([{ name: `file-${seed}`, data: seededBytes(12 << 20, seed) }], { gzip: false })),
);

/** The bytes of an unfinished blob below tmp/: those of every session that is there. */
function unfinished(store: string): number {
  const tmp = join(store, "tmp");
  if (!existsSync(tmp)) return 0;
  return (readdirSync(tmp, { recursive: true }) as string[])
    .map((name) => statSync(join(tmp, name)))
    .filter((stat) => stat.isFile())
    .reduce((sum, stat) => sum + stat.size, 0);
}

function expectRight(store: string, names: readonly string[]): void {
  for (const name of readdirSync(join(store, "blobs/sha256"))) {
    expect(
      createHash("sha256")
        .update(readFileSync(join(store, "blobs/sha256", name)))
        .digest("hex"),
    ).toBe(name);
  }
  const { manifests } = JSON.parse(readFileSync(join(store, "index.json"), "utf8"));
  const found = manifests.map(
    (entry: { annotations: Record<string, string> }) => entry.annotations["org.opencontainers.image.ref.name"],
  );
  expect(found).toEqual(names);
}

test(`after a pull was killed at ${KILLS} moments, the next pull completes the image`, async () => {
  const work = await temporary();
  // A registry that takes its time: how long a pull lasts depends on it, and not on what else this machine does.
  await using server = await startTestRegistry({
    faults: [{ on: { kind: "slow", ms: 30 }, method: "GET", path: /blobs/ }],
  });
  await pushImage(server.registry, "app", image, "v1");
  const name = `${server.host}/app:v1`;
  const store = join(work, "store");
  const start = () =>
    spawn(process.execPath, [main, "pull", "--progress", "none", "--store", store, name], { stdio: "ignore" });
  /** From the start of the process to the moment where all is done. */
  const measure = async (): Promise<number> => {
    await rm(store, { recursive: true, force: true });
    const started = performance.now();
    const child = start();
    expect(await new Promise((resolve) => child.once("exit", resolve))).toBe(0);
    return performance.now() - started;
  };
  await measure();
  const whole = Math.min(await measure(), await measure());
  await cp(store, join(work, "right"), { recursive: true });
  let live = 0;
  let partial = 0;
  for (let at = 0; at < KILLS; at += 1) {
    await rm(store, { recursive: true, force: true });
    const child = start();
    const exited = new Promise<NodeJS.Signals | null>((resolve) =>
      child.once("exit", (_code, signal) => resolve(signal)),
    );
    await sleep((whole * (at + 0.5)) / KILLS);
    child.kill("SIGKILL");
    if ((await exited) === "SIGKILL") live += 1;
    if (unfinished(store) > 0) partial += 1;
    if (existsSync(join(store, "index.json"))) {
      const entries = JSON.parse(readFileSync(join(store, "index.json"), "utf8")).manifests.length;
      expectRight(store, entries === 0 ? [] : [name]);
    }
    expect(await gantry(["pull", "--progress", "none", "--store", store, name])).toMatchObject({ code: 0 });
    expectRight(store, [name]);
    const rootfs = join(work, "rootfs");
    expect(
      await gantry(["unpack", "--progress", "none", "--policy", "Never", "--store", store, name, rootfs]),
    ).toMatchObject({ code: 0 });
    expect(readdirSync(rootfs)).toHaveLength(4);
    await rm(rootfs, { recursive: true });
    expect(unfinished(store)).toBeLessThanOrEqual(4 * (13 << 20));
  }
  process.stdout.write(
    `kills: ${KILLS}, of a live process: ${live}, with an unfinished blob: ${partial}, unkilled ${Math.round(whole)} ms\n`,
  );
  expect(live).toBeGreaterThanOrEqual(0.8 * KILLS);
  expect(partial).toBeGreaterThanOrEqual(0.2 * KILLS);
}, 600_000);
