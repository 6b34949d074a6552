import { execFileSync } from "node:child_process";
import { mkdirSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { missing } from "../../test/support/peers.ts";
import { temporary } from "../../test/support/temporary.ts";
import { encodeTar, type TarEntry, type TarHeader, TarReader } from "./index.ts";

interface Read extends TarHeader {
  data: Buffer;
}

type Row = [name: string, type: string, linkname: string, mode: number, mtime: number, size: number];

function readAll(archive: Buffer, step = archive.length): Read[] {
  const entries: Read[] = [];
  const reader = new TarReader({
    entry: (header) => void entries.push({ ...header, data: Buffer.alloc(0) }),
    data(chunk) {
      const last = entries.at(-1)!;
      last.data = Buffer.concat([last.data, chunk]);
    },
    entryEnd() {},
  });
  for (let at = 0; at < archive.length; at += step) reader.push(archive.subarray(at, at + step));
  reader.finish();
  return entries;
}

const name = fc
  .uint8Array({ minLength: 1, maxLength: 300 })
  .map((bytes) => Buffer.from(bytes.map((byte) => (byte === 0 ? 1 : byte))));
const entry: fc.Arbitrary<TarEntry> = fc.record({
  name,
  data: fc.uint8Array({ maxLength: 2000 }),
  mode: fc.integer({ min: 0, max: 0o7777 }),
  uid: fc.integer({ min: 0, max: 0xfffffffe }),
  gid: fc.integer({ min: 0, max: 0xfffffffe }),
  mtime: fc.record({
    seconds: fc.integer({ min: -1e10, max: 1e11 }),
    nanoseconds: fc.integer({ min: 0, max: 999_999_999 }),
  }),
  xattrs: fc.dictionary(
    fc.stringMatching(/^user\.[a-z]{1,9}$/),
    fc.uint8Array({ minLength: 1, maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
    { maxKeys: 3 },
  ),
});

describe("TarReader", () => {
  test("reads the entries that the writer wrote, from pieces of any length", () => {
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 5 }), fc.integer({ min: 1, max: 3000 }), (entries, step) => {
        const found = readAll(encodeTar(entries), step);
        expect(found).toHaveLength(entries.length);
        for (const [at, { name, data, mode, uid, gid, mtime, xattrs }] of entries.entries()) {
          expect(found[at]).toMatchObject({ type: "file", mode, uid, gid, mtime });
          expect(found[at]!.name.equals(name as Buffer)).toBe(true);
          expect(found[at]!.data.equals(Buffer.from(data as Uint8Array))).toBe(true);
          expect(new Map(found[at]!.xattrs)).toEqual(new Map(Object.entries(xattrs as Record<string, Buffer>)));
        }
      }),
      { numRuns: 200 },
    );
  });

  test("throws only GantryError on archives with one byte changed", () => {
    const archive = encodeTar([
      { name: "a".repeat(150), data: "data", xattrs: { "user.a": "b" }, mtime: -5 },
      { name: "b", type: "directory" },
    ]);
    for (let at = 0; at < archive.length; at += 1) {
      for (const flip of [0x01, 0x80]) {
        const changed = Buffer.from(archive);
        changed[at] = changed[at]! ^ flip;
        try {
          readAll(changed);
        } catch (error) {
          expect((error as { code?: string }).code).toMatch(/^(INVALID_TAR|UNSUPPORTED_TAR|LIMIT_EXCEEDED)$/);
        }
      }
    }
  });

  const reason = missing({ programs: ["tar", "bsdtar"] });
  test.skipIf(reason)(`reads every format of GNU tar and bsdtar alike${reason ? ` (${reason})` : ""}`, async () => {
    const work = await temporary();
    const source = join(work, "source");
    const long = "n".repeat(120);
    mkdirSync(join(source, long, long), { recursive: true });
    writeFileSync(join(source, long, long, "file"), "x".repeat(1500));
    symlinkSync(`/${long}/${long}`, join(source, "link"));
    writeFileSync(join(source, "old"), "old");
    // Node takes a negative number for the present time.
    utimesSync(join(source, "old"), new Date(-1e11), new Date(-1e11));
    const seen: Row[][] = [];
    for (const [tool, format] of [
      ["tar", "gnu"],
      ["tar", "pax"],
      ["bsdtar", "pax"],
      ["bsdtar", "gnutar"],
    ] as const) {
      const archive = execFileSync(tool, [`--format=${format}`, "-C", source, "-cf", "-", "."], { maxBuffer: 1 << 26 });
      const entries = readAll(archive).map(
        (read) =>
          [
            read.name.toString().replace(/\/$/, ""),
            read.type,
            read.linkname.toString(),
            read.mode,
            read.mtime.seconds,
            read.data.length,
          ] as Row,
      );
      seen.push(entries.sort((a, b) => (a[0] < b[0] ? -1 : 1)));
    }
    expect(seen[0]).toHaveLength(6);
    const [gnu, pax, bsdPax, bsdGnu] = seen as [Row[], Row[], Row[], Row[]];
    expect(pax).toEqual(gnu);
    expect(bsdPax).toEqual(gnu);
    // bsdtar writes times before 1970 as 0 in this format.
    const later = (rows: Row[]): Row[] => rows.map((row) => row.with(4, Math.max(0, row[4])) as Row);
    expect(bsdGnu).toEqual(later(gnu));
    expect(seen[0]!.find(([path]) => path === "./old")?.[4]).toBe(-1e8);
  });
});
