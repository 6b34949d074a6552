import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { rejects, seededBytes } from "../testing/index.ts";
import { type Decompress, decompressor, gunzipByStream } from "./decompress.ts";
import { handleWorks } from "./zlib-handle.ts";

/** The inflated bytes, through a sink with small buffers. */
async function inflate(decompress: Decompress, input: Buffer, step: number): Promise<Buffer> {
  const buffer = Buffer.alloc(1000);
  const parts: Buffer[] = [];
  const source = async (write: (chunk: Uint8Array) => void | Promise<void>): Promise<void> => {
    for (let at = 0; at < input.length; at += step) {
      const lent = Buffer.from(input.subarray(at, at + step));
      await write(lent);
      lent.fill(0xee);
    }
  };
  await decompress(source, {
    next: () => buffer,
    commit: (length) => void parts.push(Buffer.from(buffer.subarray(0, length))),
  });
  return Buffer.concat(parts);
}

const plain = Buffer.concat([seededBytes(70_000), Buffer.alloc(200_000, "a")]);
const members = Buffer.concat([
  gzipSync(plain.subarray(0, 100)),
  gzipSync(plain.subarray(100)),
  gzipSync(Buffer.alloc(0)),
]);

describe("gzip", () => {
  test("is inflated by the private handle of this version of Node", () => expect(handleWorks()).toBe(true));

  for (const [name, decompress] of [
    ["handle", decompressor("gzip")],
    ["stream", gunzipByStream],
  ] as const) {
    test(`by ${name}: inflates any number of members, in pieces of any length, with zeros after them`, async () => {
      for (const step of [1 << 20, 4096, 777])
        expect((await inflate(decompress, members, step)).equals(plain)).toBe(true);
      const padded = Buffer.concat([members, Buffer.alloc(2000)]);
      expect((await inflate(decompress, padded, 512)).equals(plain)).toBe(true);
    });

    test(`by ${name}: refuses input that is cut, changed, empty or followed by garbage`, async () => {
      const changed = Buffer.from(members);
      changed[members.length - 500] = changed[members.length - 500]! ^ 0x10;
      const bad = [
        members.subarray(0, -1),
        members.subarray(0, 15),
        changed,
        Buffer.alloc(0),
        Buffer.from("not gzip at all"),
        Buffer.concat([members, Buffer.from("garbage")]),
        Buffer.concat([members, Buffer.alloc(300), Buffer.from("garbage")]),
        Buffer.concat([members, Buffer.alloc(1), gzipSync(Buffer.from("another member"))]),
        Buffer.concat([members, Buffer.alloc(40_000), Buffer.from([1])]),
      ];
      for (const input of bad)
        for (const step of [1 << 20, 100]) await rejects(inflate(decompress, input, step), "INVALID_COMPRESSION");
    });

    test(`by ${name}: throws an error of the source unchanged`, async () => {
      const broken = new Error("source");
      const failing = decompress(() => Promise.reject(broken), { next: () => Buffer.alloc(10), commit() {} });
      await expect(failing).rejects.toBe(broken);
    });
  }

  test("zstd is refused by code", () => {
    expect(() => decompressor("zstd")).toThrow(expect.objectContaining({ code: "UNSUPPORTED_COMPRESSION" }));
  });
});
