import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Store } from "../../src/store/index.ts";
import { imageStoreContract, pushImage, randomImage, rejects } from "../../src/testing/index.ts";
import { newerNode, noNewerNode } from "../support/node.ts";
import { noPostgres, type Postgres, startPostgres } from "../support/postgres.ts";
import { temporary } from "../support/temporary.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

describe.skipIf(noPostgres)(`names in PostgreSQL${noPostgres ? `: ${noPostgres}` : ""}`, () => {
  let postgres: Postgres;
  beforeAll(async () => {
    postgres = await startPostgres();
  });
  afterAll(() => postgres?.stop());

  for (const { name, run } of imageStoreContract()) {
    test(name, async () => {
      const store = new Store(await temporary(), { database: await postgres.database() });
      try {
        await run((namespace) => store.imagesOf(namespace));
      } finally {
        await store.close();
      }
    });
  }

  test("are shared by hosts, each with bytes of its own", async () => {
    const database = await postgres.database();
    const [one, two] = [await temporary(), await temporary()].map((path) => new Store(join(path, "s"), { database }));
    await pushImage(one!.registry, "registry.example.org/app", randomImage(), "v1");
    const [image] = await two!.images.list();
    expect(image!.name).toBe("registry.example.org/app:v1");
    expect(await two!.presence([image!.target])).toEqual([{ state: "absent", platforms: [], size: 0 }]);
    expect((await one!.presence([image!.target]))[0]!.state).toBe("complete");
    expect(await two!.exists()).toBe(false);
    // A name that another host made is a root here too, and what is absent here is no fault.
    const other = randomImage({ seed: 5 });
    await pushImage(two!.registry, "registry.example.org/app", other, "v2");
    expect((await one!.gc()).blobs).toEqual([]);
    expect((await one!.fsck()).findings).toEqual([]);
    await two!.images.delete("registry.example.org/app:v1");
    // Until it says that it has done with it, what a host wrote stays.
    expect((await one!.gc()).blobs).toEqual([]);
    await one!.registry.release();
    const gone = await one!.gc();
    expect(gone.blobs).toHaveLength(4);
    await one!.close();
    await two!.close();
  });

  test("without the database nothing is collected, and no password is shown", async () => {
    const database = await postgres.database();
    const directory = await temporary();
    const store = new Store(directory, { database });
    await pushImage(store.registry, "app", randomImage(), "v1");
    await store.close();
    const lost = new Store(directory, { database: "postgres://me:secret@127.0.0.1:1/x" });
    await rejects(lost.gc(), "DATABASE_FAILED");
    await expect(lost.gc()).rejects.toThrow(/postgres:\/\/me@127\.0\.0\.1:1\/x/);
    await expect(lost.gc()).rejects.not.toThrow(/secret/);
    await lost.close();
    // Nor with the names of another kind of database.
    const embedded = new Store(directory);
    await rejects(embedded.gc(), "STORE_DATABASE");
    await rejects(embedded.images.list(), "STORE_DATABASE");
    await embedded.close();
    // Nor does the repair take a host out of its fleet without being told.
    await rejects(new Store(directory).fsck({ rebuild: true }), "STORE_DATABASE");
    // Nor where the database is another one than before, be it empty or full.
    const elsewhere = await postgres.database();
    const busy = new Store(await temporary(), { database: elsewhere });
    for (let at = 0; at < 5; at += 1) await pushImage(busy.registry, `busy${at}`, randomImage({ seed: at }), "v1");
    await busy.close();
    const wrong = new Store(directory, { database: elsewhere });
    for (const use of [() => wrong.gc(), () => wrong.images.list(), () => wrong.fsck()])
      await rejects(use, "STORE_DATABASE");
    const { repaired, findings } = await wrong.fsck({ rebuild: true });
    expect([repaired[0], findings]).toEqual(["1 name restored from index.json", []]);
    expect(await wrong.images.list()).toHaveLength(6);
    expect((await wrong.gc()).blobs).toEqual([]);
    await wrong.close();
  });

  test("take over the names of an embedded store with fsck --rebuild, though others are there", async () => {
    const directory = await temporary();
    const embedded = new Store(directory);
    await pushImage(embedded.registry, "app", randomImage(), "v1");
    await embedded.images.update({ ...(await embedded.images.list())[0]!, labels: { a: "1" } }, "labels");
    const [own] = await embedded.images.list();
    await embedded.close();
    const database = await postgres.database();
    const fleet = new Store(await temporary(), { database });
    for (let at = 0; at < 5; at += 1) await pushImage(fleet.registry, `busy${at}`, randomImage({ seed: at }), "v1");
    await pushImage(fleet.registry, "app", randomImage({ seed: 9 }), "v1");
    const shared = new Store(directory, { database });
    await rejects(shared.images.list(), "STORE_DATABASE");
    // The same name for another image: somebody has to decide, and until then nothing changes.
    await rejects(shared.fsck({ rebuild: true }), "STORE_DATABASE");
    expect(await new Store(directory).images.list()).toEqual([own]);
    await fleet.images.delete(own!.name);
    await shared.fsck({ rebuild: true });
    expect(await shared.images.list()).toHaveLength(6);
    expect(await shared.images.get(own!.name)).toEqual(own);
    expect((await shared.gc()).blobs).toEqual([]);
    await shared.close();
    await fleet.close();
  });

  test("a server that goes away in the middle is an error, not the end of the process", async () => {
    const { openPostgres } = await import("../../src/store/sql/postgres.ts");
    const database = await openPostgres(await postgres.database());
    const [one, two] = [await database.acquire(), await database.acquire()];
    const [row] = await one.run("SELECT pg_backend_pid() AS pid");
    await one.begin();
    await two.run("SELECT pg_terminate_backend(?)", Number(row!["pid"]));
    await new Promise((resolve) => setTimeout(resolve, 200));
    await rejects(one.run("SELECT 1"), "DATABASE_FAILED");
    await one.rollback();
    one.release();
    two.release();
    const three = await database.acquire();
    expect(await three.run("SELECT 1 AS x")).toEqual([{ x: 1 }]);
    three.release();
    await database.close();
  });
});

describe.skipIf(noNewerNode)(`a newer Node${noNewerNode ? `: ${noNewerNode}` : ""}`, () => {
  test("keeps names with node:sqlite, under the same contract, and reads what libsql wrote", async () => {
    const directory = await temporary();
    const store = new Store(directory);
    await pushImage(store.registry, "app", randomImage(), "v1");
    await store.close();
    const main = join(root, "dist/cli/main.js");
    const listed = execFileSync(newerNode, [main, "images", "--json", "--store", directory], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "pipe"],
    });
    expect(JSON.parse(listed)).toMatchObject([{ name: "docker.io/library/app:v1", here: { state: "complete" } }]);
    const results = join(await temporary(), "results.json");
    mkdirSync(join(results, ".."), { recursive: true });
    execFileSync(
      newerNode,
      ["node_modules/vitest/vitest.mjs", "run", "src/store/", "--reporter=json", `--outputFile=${results}`],
      { cwd: root, stdio: "pipe" },
    );
    const { default: report } = await import(results, { with: { type: "json" } });
    expect(existsSync(results)).toBe(true);
    expect(report).toMatchObject({ success: true, numFailedTests: 0, numPendingTests: 0 });
    expect(report.numPassedTests).toBeGreaterThan(70);
    const titles = report.testResults.flatMap((file: { assertionResults: { fullName: string }[] }) =>
      file.assertionResults.map(({ fullName }) => fullName),
    );
    expect(titles.some((title: string) => title.includes("node:sqlite"))).toBe(true);
  }, 300_000);
});
