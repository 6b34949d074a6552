import { spawn } from "node:child_process";
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { cp, mkdtemp } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { digestOf } from "../src/spec/index.ts";
import { Store } from "../src/store/index.ts";
import { pushImage, randomImage } from "../src/testing/index.ts";
import { gantry, main, peer } from "./support/peers.ts";
import { noPostgres, type Postgres, startPostgres } from "./support/postgres.ts";
import { temporary } from "./support/temporary.ts";

const scale = Number(process.env["GANTRY_TEST_SCALE"] ?? 0.1);
const SECONDS = Math.max(4, 30 * scale);
const KILLS = Math.max(8, Math.round(50 * scale));
const worker = fileURLToPath(new URL("./fixtures/store-worker.mjs", import.meta.url));

interface Report {
  readonly counts: Record<"create" | "update" | "delete" | "list" | "gc" | "counter" | "collected", number>;
  readonly mine: Record<string, string>;
}

/** A worker, its output, and how it ended. */
function start(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const child = spawn(process.execPath, [worker, ...args], { env: { ...process.env, ...env } });
  const lines: string[] = [];
  let rest = "";
  let complaints = "";
  child.stdout.on("data", (data: Buffer) => {
    const parts = (rest + data.toString()).split("\n");
    rest = parts.pop()!;
    lines.push(...parts);
  });
  child.stderr.on("data", (data: Buffer) => {
    complaints += data.toString();
  });
  const ended = new Promise<{ code: number | null; signal: string | null; stderr: string }>((resolve) =>
    child.once("close", (code, signal) => resolve({ code, signal, stderr: complaints })),
  );
  return { child, lines, ended };
}

async function stress(directory: string, env: NodeJS.ProcessEnv = {}): Promise<void> {
  const database = env["GANTRY_STORE_DB"];
  const store = new Store(directory, database ? { database } : {});
  const base = randomImage({ seed: 1, sizes: [100, 200] });
  await pushImage(store.registry, "reg.example.org/base", base);
  await store.images.create({ name: "shared", target: base.descriptor });
  await store.registry.release();
  const seed = Date.now() % 100_000;
  process.stdout.write(`stress: ${SECONDS} s, seed ${seed}\n`);
  const workers = [0, 1, 2, 3].map((id) =>
    start([directory, String(SECONDS), String(id), String(seed + id), "all"], env),
  );
  const reports: Report[] = [];
  for (const { ended, lines } of workers) {
    expect(await ended).toEqual({ code: 0, signal: null, stderr: "" });
    reports.push(JSON.parse(lines.at(-1)!) as Report);
  }
  const total = (key: keyof Report["counts"]): number => reports.reduce((sum, { counts }) => sum + counts[key], 0);
  const sums = ["create", "update", "delete", "list", "gc", "counter", "collected"] as const;
  process.stdout.write(`stress: ${sums.map((key) => `${key} ${total(key)}`).join(", ")}\n`);
  // Every kind of work was done, and collections removed something.
  for (const key of sums) expect([key, total(key) > 0]).toEqual([key, true]);
  const images = await store.images.list();
  const shared = images.find(({ name }) => name === "shared")!;
  const counters = Object.fromEntries(reports.map(({ counts }, id) => [`w${id}`, String(counts.counter)]));
  expect(shared.labels).toEqual(counters);
  const found = Object.fromEntries(
    images.filter(({ name }) => name !== "shared").map((it) => [it.name, it.target.digest]),
  );
  expect(found).toEqual(Object.assign({}, ...reports.map(({ mine }) => mine)));
  const { findings, repaired } = await store.fsck();
  expect([findings, repaired]).toEqual([[], []]);
  await store.gc();
  for (const { state } of await store.presence(images.map(({ target }) => target))) expect(state).toBe("complete");
  expect((await store.fsck()).findings).toEqual([]);
  await store.close();
}

test(`four processes on SQLite for ${SECONDS} s lose nothing and read no half-written state`, async () => {
  await stress(join(await temporary(), "store"));
}, 120_000);

describe.skipIf(noPostgres)(`with PostgreSQL${noPostgres ? `: ${noPostgres}` : ""}`, () => {
  let postgres: Postgres;
  beforeAll(async () => {
    postgres = await startPostgres();
  });
  afterAll(() => postgres?.stop());

  test(`four processes for ${SECONDS} s lose nothing and read no half-written state`, async () => {
    await stress(join(await temporary(), "store"), { GANTRY_STORE_DB: await postgres.database() });
  }, 120_000);
});

/** Checks that `gantry images fsck` finds no fault and exits with 0. */
async function expectSound(store: string): Promise<void> {
  const { code, stdout, stderr } = await gantry(["images", "fsck", "--json", "--progress", "none", "--store", store]);
  expect([code, stderr, JSON.parse(stdout).findings]).toEqual([0, "", []]);
}

/** Attempts for each kill: the process may have ended before the signal comes. */
const ATTEMPTS = 20;

test(`updates killed at ${KILLS} moments: reported updates are done, and fsck finds no fault`, async () => {
  const work = await temporary();
  const store = join(work, "store");
  const opened = new Store(store);
  const image = randomImage({ seed: 1, sizes: [100, 200] });
  await pushImage(opened.registry, "reg.example.org/base", image);
  await opened.images.create({ name: "shared", target: image.descriptor });
  await opened.close();
  let acknowledged = 0;
  for (let at = 0; at < KILLS; at += 1) {
    const { child, lines, ended } = start([store, "0", String(at), "1", "update"]);
    // It has begun its first, second, ... change. The pause decides how far it gets.
    const wanted = JSON.stringify({ begin: 1 + (at % 5) });
    while (!lines.includes(wanted) && child.exitCode === null) await sleep(1);
    await sleep((at * 40) / KILLS);
    child.kill("SIGKILL");
    expect(await ended).toEqual({ code: null, signal: "SIGKILL", stderr: "" });
    const done = lines.filter((line) => line.includes("done")).length;
    expect(done).toBeGreaterThanOrEqual(at % 5);
    acknowledged += done;
    await expectSound(store);
    const check = new Store(store);
    const label = Number((await check.images.get("shared")).labels[`w${at}`] ?? 0);
    // The last update may be done but not reported.
    expect([done, done + 1]).toContain(label);
    await check.close();
  }
  process.stdout.write(`kills over updates: ${KILLS}, updates that were done: ${acknowledged}\n`);
}, 600_000);

test(`collections killed at ${KILLS} moments: no image loses a blob, and fsck finds no fault`, async () => {
  const work = await temporary();
  const prepared = join(work, "prepared");
  const opened = new Store(prepared);
  const kept = randomImage({ seed: 1, sizes: [100, 200] });
  await pushImage(opened.registry, "reg.example.org/kept", kept, "v1");
  // Garbage, written directly because that is faster.
  for (let at = 0; at < 3_000; at += 1) {
    const bytes = `garbage ${at}`;
    writeFileSync(opened.blobs.path(digestOf(bytes)), bytes);
  }
  await opened.close();
  let store = "";
  // A new directory of hard links each time: ext4 is slow in one whose files were just deleted.
  const reset = async (): Promise<void> => {
    store = await mkdtemp(join(work, "store-"));
    await peer("cp", ["-al", join(prepared, "blobs"), store]);
    for (const name of readdirSync(prepared)) {
      // Without SQLite's files beside an open database: the database is closed.
      if (name !== "blobs" && !/-(?:wal|shm)$/.test(name))
        await cp(join(prepared, name), join(store, name), { recursive: true });
    }
  };
  const run = () => {
    const child = spawn(process.execPath, [main, "images", "gc", "--json", "--store", store], { stdio: "ignore" });
    return { child, ended: new Promise((resolve) => child.once("exit", (_code, signal) => resolve(signal))) };
  };
  const left = (): number => readdirSync(join(store, "blobs/sha256")).length;
  const total = readdirSync(join(prepared, "blobs/sha256")).length;
  /** Signs of how far a collection is: its lock, blobs in the trash, some of them removed, more than one batch. */
  const moments: readonly (() => boolean)[] = [
    () => existsSync(join(store, "gc.lock")),
    () => existsSync(join(store, "trash")),
    () => left() < total,
    () => left() < total - 1_200,
    () => left() < total - 2_200,
  ];
  const seen = { live: 0, attempts: 0, aside: 0, halfway: 0 };
  while (seen.live < KILLS && seen.attempts < ATTEMPTS * KILLS) {
    const reached = moments[seen.attempts % moments.length]!;
    seen.attempts += 1;
    await reset();
    const { child, ended } = run();
    while (!reached() && child.exitCode === null) await sleep(1);
    child.kill("SIGKILL");
    if ((await ended) === "SIGKILL") seen.live += 1;
    if (left() < total && left() > 4) seen.halfway += 1;
    if (existsSync(join(store, "trash"))) seen.aside += 1;
    await expectSound(store);
    const check = new Store(store);
    expect((await check.presence([kept.descriptor]))[0]!.state).toBe("complete");
    await check.close();
  }
  process.stdout.write(
    `kills over gc: ${seen.attempts}, of a live process: ${seen.live}, with some blobs gone: ${seen.halfway}, with some put aside: ${seen.aside}\n`,
  );
  expect(seen.live).toBe(KILLS);
}, 600_000);
