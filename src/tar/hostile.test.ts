import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { missing, peer } from "../../test/support/peers.ts";
import { temporary } from "../../test/support/temporary.ts";
import { GantryError } from "../base/error.ts";
import { encodeEntry, encodeHeader, encodeTar, paxRecord, type TarHeader, TarReader } from "./index.ts";

const end = Buffer.alloc(1024);
const header = (over: Partial<TarHeader> & { name: Buffer }): TarHeader => ({
  type: "file",
  linkname: Buffer.alloc(0),
  size: 0,
  mode: 0o644,
  uid: 0,
  gid: 0,
  mtime: { seconds: 0, nanoseconds: 0 },
  major: 0,
  minor: 0,
  xattrs: new Map(),
  ...over,
});
const padded = (data: Buffer): Buffer => Buffer.concat([data, Buffer.alloc((512 - (data.length % 512)) % 512)]);

function pax(records: Record<string, string>, flag = "x"): Buffer {
  const data = Buffer.concat(Object.entries(records).map(([key, value]) => paxRecord(key, Buffer.from(value))));
  return Buffer.concat([encodeHeader(header({ name: Buffer.from("pax"), size: data.length }), flag), padded(data)]);
}

/** Names of the entries, or the code of the error. */
function read(archive: Buffer, step = archive.length): string[] | string {
  const names: string[] = [];
  const reader = new TarReader({ entry: (entry) => void names.push(entry.name.toString()), data() {}, entryEnd() {} });
  try {
    for (let at = 0; at < archive.length; at += step) reader.push(archive.subarray(at, at + step));
    reader.finish();
    return names;
  } catch (error) {
    return error instanceof GantryError ? error.code : `not ours: ${error}`;
  }
}

const reason = missing({ programs: ["tar", "bsdtar"] });

describe("hostile archives", () => {
  test.skipIf(reason)(
    `T7 sizes that disagree smuggle no entry past GNU tar and bsdtar${reason ? ` (${reason})` : ""}`,
    async () => {
      const work = await temporary();
      const inner = padded(encodeEntry({ name: "smuggled", data: "evil" }));
      const archives: Record<string, Buffer> = {
        // The header has the size 0 and pax the right one: a reader that ignores pax reads the data as entries.
        "pax size over a header's 0": Buffer.concat([
          pax({ size: String(inner.length) }),
          encodeHeader(header({ name: Buffer.from("a") }), "0"),
          inner,
          encodeEntry({ name: "b" }),
          end,
        ]),
        "pax applies to one entry": Buffer.concat([
          pax({ path: "renamed" }),
          encodeEntry({ name: "a" }),
          encodeEntry({ name: "b" }),
          end,
        ]),
        "pax over a long name": Buffer.concat([
          pax({ path: "x".repeat(300) }),
          encodeEntry({ name: "a" }),
          encodeEntry({ name: "b" }),
          end,
        ]),
        "a size in base-256": (() => {
          const block = encodeHeader(header({ name: Buffer.from("a") }), "0");
          block.fill(0, 124, 136);
          block[124] = 0x80;
          block.writeUInt32BE(inner.length, 132);
          block.fill(0x20, 148, 156);
          block.write(
            `${block
              .reduce((sum, byte) => sum + byte, 0)
              .toString(8)
              .padStart(6, "0")}\0 `,
            148,
            "latin1",
          );
          return Buffer.concat([block, inner, encodeEntry({ name: "b" }), end]);
        })(),
      };
      for (const [name, archive] of Object.entries(archives)) {
        const ours = read(archive);
        const path = join(work, "archive.tar");
        writeFileSync(path, archive);
        for (const judge of ["tar", "bsdtar"]) {
          const listed = (await peer(judge, ["-tf", path])).trim().split("\n");
          expect([name, judge, ours]).toEqual([name, judge, listed]);
        }
        for (const step of [1, 7, 512, 513]) expect(read(archive, step)).toEqual(ours);
      }
      // Archives that the two tools read in different ways, or not at all, are refused.
      const refused: Record<string, Buffer> = {
        "a directory with data": Buffer.concat([
          encodeHeader(header({ name: Buffer.from("d/"), size: inner.length }), "5"),
          inner,
          end,
        ]),
        "two pax headers": Buffer.concat([pax({ path: "p" }), pax({ size: "512" }), encodeEntry({ name: "a" }), end]),
        "a malformed pax record": Buffer.concat([
          encodeHeader(header({ name: Buffer.from("pax"), size: 10 }), "x"),
          padded(Buffer.from("99 path=x\n")),
          encodeEntry({ name: "a" }),
          end,
        ]),
        "a pax size that is no number": Buffer.concat([pax({ size: "0x10" }), encodeEntry({ name: "a" }), end]),
        "a negative pax size": Buffer.concat([pax({ size: "-512" }), encodeEntry({ name: "a" }), end]),
        "two names": Buffer.concat([
          pax({ path: "p" }),
          encodeHeader(header({ name: Buffer.from("././@LongLink"), size: 2 }), "L"),
          padded(Buffer.from("q\0")),
          encodeEntry({ name: "a" }),
          end,
        ]),
        "a pax header and no entry": Buffer.concat([pax({ path: "p" }), end]),
        "an entry that never ends": encodeTar([{ name: "a", data: "x".repeat(2000) }]).subarray(0, 1536),
        "a wrong checksum": Buffer.concat([encodeEntry({ name: "a" }).fill(0x31, 100, 104), end]),
      };
      for (const [name, archive] of Object.entries(refused))
        expect([name, read(archive)]).toEqual([name, "INVALID_TAR"]);
      const sparse = Buffer.concat([
        pax({ "GNU.sparse.major": "1", "GNU.sparse.minor": "0" }),
        encodeEntry({ name: "a" }),
        end,
      ]);
      expect(read(sparse)).toBe("UNSUPPORTED_TAR");
      expect(read(Buffer.concat([encodeHeader(header({ name: Buffer.from("a") }), "S"), end]))).toBe("UNSUPPORTED_TAR");
    },
  );

  test("T8 an extended header that claims gigabytes is refused before memory is taken", () => {
    for (const flag of ["x", "g", "L", "K"]) {
      const claim = encodeHeader(header({ name: Buffer.from("big"), size: 4 * 2 ** 30 }), flag);
      const before = process.memoryUsage().rss;
      expect([flag, read(Buffer.concat([claim, Buffer.alloc(4096, "1")]))]).toEqual([flag, "LIMIT_EXCEEDED"]);
      expect(process.memoryUsage().rss - before).toBeLessThan(64 << 20);
    }
    const long = "n".repeat(900_000);
    expect(read(encodeTar([{ name: long }]))).toEqual([long]);
  });

  test("T16 global pax headers are bounded in number and size, and an entry costs what it declares", () => {
    const many = (from: number, count: number): Buffer =>
      pax(Object.fromEntries(Array.from({ length: count }, (_, at) => [`SCHILY.xattr.user.k${from + at}`, "v"])), "g");
    const entry = encodeEntry({ name: "a" });
    // Once in many headers, and once in one.
    const headers = Array.from({ length: 100 }, (_, at) => many(at * 10, 10));
    expect(read(Buffer.concat([...headers, entry, end]))).toBe("LIMIT_EXCEEDED");
    expect(read(Buffer.concat([many(0, 10_000), entry, end]))).toBe("LIMIT_EXCEEDED");
    const large = (key: string): Buffer => pax({ [`SCHILY.xattr.user.${key}`]: "v".repeat(600_000) }, "g");
    expect(read(Buffer.concat([large("a"), entry, end]))).toEqual(["a"]);
    expect(read(Buffer.concat([large("a"), large("b"), entry, end]))).toBe("LIMIT_EXCEEDED");
    // A record that replaces or ends another one adds nothing, and one that changes no entry is not counted.
    expect(read(Buffer.concat([...Array.from({ length: 50 }, () => large("a")), entry, end]))).toEqual(["a"]);
    const ended = Array.from({ length: 100 }, (_, at) => [many(at, 1), pax({ [`SCHILY.xattr.user.k${at}`]: "" }, "g")]);
    expect(read(Buffer.concat([...ended.flat(), entry, end]))).toEqual(["a"]);
    const comments = Object.fromEntries(Array.from({ length: 5_000 }, (_, at) => [`comment.${at}`, "text"]));
    expect(read(Buffer.concat([pax(comments, "g"), entry, end]))).toEqual(["a"]);
  });
});
