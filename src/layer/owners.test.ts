import { lstatSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { missing } from "../../test/support/peers.ts";
import { temporary } from "../../test/support/temporary.ts";
import { Owners } from "./owners.ts";

const root = missing({ root: true });

describe("owners", () => {
  test.skipIf(root)(`are mapped for files, links and directories${root ? ` (${root})` : ""}`, async () => {
    const work = join(await temporary(), "root");
    mkdirSync(work);
    const file = join(work, "file");
    const link = join(work, "link");
    const ids = (path: string): number[] => [lstatSync(path).uid, lstatSync(path).gid];
    writeFileSync(file, "");
    symlinkSync("file", link);
    const mapped = new Owners({ root: work, mapping: { uid: (id) => id + 1000, gid: (id) => id + 2000 } });
    mapped.set(link, 0, 0);
    expect([ids(link), ids(file)]).toEqual([
      [1000, 2000],
      [0, 0],
    ]);
    const plain = new Owners({ root: work });
    plain.set(file, 5, 6);
    expect(ids(file)).toEqual([5, 6]);
    // A new entry belongs to 0:0 already.
    plain.set(link, 0, 0);
    expect(ids(link)).toEqual([1000, 2000]);
  });
});
