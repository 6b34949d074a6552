import { describe, expect, test } from "vitest";
import { temporary } from "../../test/support/temporary.ts";
import { imageStoreContract } from "../testing/index.ts";
import { Store } from "./index.ts";
import { openSqlite } from "./sql/sqlite.ts";

// The same file runs on an older Node with libsql, and on a newer one with node:sqlite
// (test/interop/databases.test.ts).
const newer = Number(process.versions.node.split(".")[0]) >= 22;

describe(`names in SQLite, through ${newer ? "node:sqlite" : "libsql"}`, () => {
  test("are stored through that driver", async () => {
    const database = await openSqlite(`${await temporary()}/x.db`);
    expect(database.driver).toBe(newer ? "node:sqlite" : "libsql");
    await database.close();
  });

  for (const { name, run } of imageStoreContract()) {
    test(name, async () => {
      const store = new Store(await temporary());
      try {
        await run((namespace) => store.imagesOf(namespace));
      } finally {
        await store.close();
      }
    });
  }
});
