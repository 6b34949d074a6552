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
    // Nor where the database is another one than before.
    const empty = new Store(directory, { database: await postgres.database() });
    await rejects(empty.gc(), "STORE_DATABASE");
    expect((await empty.fsck()).findings.map(({ kind }) => kind)).toEqual(["database"]);
    const { repaired, findings } = await empty.fsck({ rebuild: true });
    expect([repaired[0], findings]).toEqual(["1 name restored from index.json", []]);
    expect((await empty.gc()).blobs).toEqual([]);
    await empty.close();
  });

  test("take over the names of an embedded store with fsck --rebuild", async () => {
    const directory = await temporary();
    const embedded = new Store(directory);
    await pushImage(embedded.registry, "app", randomImage(), "v1");
    await embedded.images.update({ ...(await embedded.images.list())[0]!, labels: { a: "1" } }, "labels");
    const before = await embedded.images.list();
    await embedded.close();
    const shared = new Store(directory, { database: await postgres.database() });
    await rejects(shared.images.list(), "STORE_DATABASE");
    await shared.fsck({ rebuild: true });
    expect(await shared.images.list()).toEqual(before);
    await shared.close();
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
