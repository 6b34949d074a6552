import { join } from "node:path";
import { inspect } from "node:util";
import { expect, test } from "vitest";
import { isGantryError } from "../../src/base/error.ts";
import { parseRepoName, parseTag } from "../../src/reference/index.ts";
import { MemoryRegistry, RemoteRegistry } from "../../src/registry/index.ts";
import { digestOf } from "../../src/spec/index.ts";
import { pushImage, seededBytes, type TestImage, testImage, testLayer } from "../../src/testing/index.ts";
import { copyImage } from "../../src/transfer/index.ts";
import { faultKinds, faultProxy, faultSecrets, seeded } from "../support/fault-proxy.ts";
import { dockerRegistry, missing } from "../support/peers.ts";
import { temporary } from "../support/temporary.ts";

const reason = missing({ programs: ["docker-registry"] });
const scale = Number(process.env["GANTRY_TEST_SCALE"] ?? 1);
const TRANSFERS = Math.max(100, Math.round(500 * scale));
const HITS = Math.max(2, Math.round(20 * scale));
const seed = Number(process.env["GANTRY_TEST_SEED"] ?? Date.now() % 1_000_000);
const HANGS_MS = 30_000;

test.skipIf(reason)(
  `${TRANSFERS} transfers over a line that goes wrong in ${faultKinds.length} ways, seed ${seed}${reason ? ` (${reason})` : ""}`,
  { timeout: 900_000 },
  async () => {
    const random = seeded(seed);
    const direct = await dockerRegistry(join(await temporary(), "registry"));
    const proxy = await faultProxy(direct, random);
    const repo = parseRepoName("faults/app");
    const judge = new RemoteRegistry(direct);
    // What is pulled again and again; and one that is long enough to be sent in a way that can be taken up again.
    const sizes = [[200, 40_000], [700_000], [3_000_000, 10, 90_000], [36_000_000]];
    const made = (at: number, fresh: number): TestImage =>
      testImage(
        sizes[at]!.map((size, layer) =>
          testLayer([{ name: `f${fresh}`, data: seededBytes(size, 1 + fresh * 10 + layer) }], { gzip: false }),
        ),
      );
    const ready = sizes.map((_, at) => made(at, at));
    for (const [at, image] of ready.entries()) await pushImage(judge, repo, image, `v${at}`);
    const said: string[] = [];
    const outcomes = { succeeded: 0, failed: new Map<string, number>() };
    proxy.rate = 0.1;
    for (let transfer = 0; transfer < TRANSFERS; transfer += 1) {
      const at = transfer % 25 === 24 ? 3 : Math.floor(random() * 3);
      const pulls = random() < 0.5;
      const image = pulls ? ready[at]! : made(at, 100 + transfer);
      const tag = parseTag(pulls ? `v${at}` : `pushed-${transfer}`);
      const memory = new MemoryRegistry();
      const log: string[] = [];
      const remote = new RemoteRegistry(proxy.host, {
        credentials: {
          find: async () => ({ kind: "password", username: "me", password: "the-password", from: "a test" }),
        },
        backoff: 2,
        headerTimeout: 700,
        idleTimeout: 700,
        debug: (line) => void log.push(line),
        progress: (event) => void log.push(JSON.stringify(event)),
      });
      if (!pulls) await pushImage(memory, repo, image, tag);
      const stop = new AbortController();
      const watch = setInterval(() => {
        if (performance.now() - proxy.lastActivity() > HANGS_MS) stop.abort(new Error(`transfer ${transfer} hangs`));
      }, 1_000);
      const there = { registry: remote, repo, reference: tag, name: `${proxy.host}/${repo}:${tag}` };
      const here = { registry: memory, repo, reference: tag, name: "memory" };
      const arrived = pulls ? memory : judge;
      const onSuccess = async (): Promise<void> => {
        outcomes.succeeded += 1;
        const found = await arrived.getManifest(repo, tag);
        expect(found.descriptor.digest, log.join("\n")).toBe(image.descriptor.digest);
        for (const { descriptor, bytes } of image.blobs) {
          const content = await arrived.getBlob(repo, descriptor);
          expect((await content.bytes({ limit: 64 << 20 })).equals(bytes)).toBe(true);
        }
      };
      const onFailure = async (error: unknown): Promise<void> => {
        if (!isGantryError(error)) throw error;
        outcomes.failed.set(error.code, (outcomes.failed.get(error.code) ?? 0) + 1);
        if (process.env["GANTRY_TEST_FIGURES"]) console.log(error.code, error.message);
        said.push(inspect(error, { depth: 10 }), JSON.stringify(error));
        // Who it was, or what was asked for, and what came.
        expect(error.message).toMatch(/127\.0\.0\.1:\d+|localhost:\d+/);
        expect(error.message.length).toBeGreaterThan(40);
        // No name leads to what failed.
        if (pulls) await expect(memory.resolveManifest(repo, tag)).rejects.toThrow(/there is no manifest/);
        for (const { descriptor } of image.blobs) {
          const content = await memory.getBlob(repo, descriptor).catch(() => undefined);
          if (content) expect(digestOf(await content.bytes({ limit: 64 << 20 }))).toBe(descriptor.digest);
        }
      };
      const [from, to] = pulls ? [there, here] : [here, there];
      try {
        await copyImage(from, to, { signal: stop.signal }).then(onSuccess, onFailure);
      } finally {
        clearInterval(watch);
        said.push(...log);
        await remote.close();
        await memory.close();
      }
      expect(stop.signal.aborted).toBe(false);
    }
    const figures = {
      seed,
      transfers: TRANSFERS,
      succeeded: outcomes.succeeded,
      failed: Object.fromEntries(outcomes.failed),
      hits: proxy.hits,
    };
    console.log(JSON.stringify(figures));
    for (const kind of faultKinds)
      expect(proxy.hits[kind], `${kind}: ${JSON.stringify(figures)}`).toBeGreaterThanOrEqual(HITS);
    expect(outcomes.succeeded / TRANSFERS).toBeGreaterThanOrEqual(0.6);
    for (const { authorization } of proxy.elsewhere) expect(authorization).toBeUndefined();
    for (const secret of faultSecrets)
      expect(
        said.filter((line) => line.includes(secret)),
        secret,
      ).toEqual([]);
    await judge.close();
  },
);
