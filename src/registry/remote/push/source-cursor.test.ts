import { expect, test } from "vitest";
import { type BlobSource, bytesSource, Content, iterableBody } from "../../../content/index.ts";
import { rejects, seededBytes, testBlob } from "../../../testing/index.ts";
import { SourceCursor } from "./source-cursor.ts";

const blob = testBlob(seededBytes(9_000_000, 5));

/** A source that can be opened at a checkpoint, and the offsets at which it was opened. */
function counted(): { readonly source: BlobSource; readonly opened: number[] } {
  const opened: number[] = [];
  const source: BlobSource = {
    replayable: true,
    async open({ from } = {}) {
      const start = from?.offset ?? 0;
      opened.push(start);
      const chunks = [blob.bytes.subarray(start, 5_000_000), blob.bytes.subarray(Math.max(start, 5_000_000))];
      return new Content(blob.descriptor, iterableBody(chunks), { what: "the blob", from });
    },
  };
  return { source, opened };
}

/** Reads a piece in the way that a request does. */
async function piece(cursor: SourceCursor, offset: number, size: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  await cursor.seek(offset, offset + size === blob.bytes.length);
  await cursor.pump(offset, size, (chunk) => void chunks.push(Buffer.from(chunk)));
  return Buffer.concat(chunks);
}

test("consecutive pieces are read without opening the source again", async () => {
  const { source, opened } = counted();
  const cursor = new SourceCursor(source, undefined);
  const pieces = [];
  for (const offset of [0, 3_000_000, 6_000_000]) pieces.push(await piece(cursor, offset, 3_000_000));
  expect(Buffer.concat(pieces).equals(blob.bytes)).toBe(true);
  expect(opened).toEqual([0]);
  await cursor.close();
});

test("for another offset, the source is opened again at the last checkpoint before that offset", async () => {
  const { source, opened } = counted();
  const cursor = new SourceCursor(source, undefined);
  await piece(cursor, 0, 6_000_000);
  const rest = await piece(cursor, 5_500_000, blob.bytes.length - 5_500_000);
  expect(rest.equals(blob.bytes.subarray(5_500_000))).toBe(true);
  expect(opened).toEqual([0, 5_000_000]);
  await cursor.close();
});

test("a source without checkpoints is read from its start, and the bytes before the offset are skipped", async () => {
  const cursor = new SourceCursor(bytesSource(blob.descriptor, blob.bytes), undefined);
  expect((await piece(cursor, 100, 1_000)).equals(blob.bytes.subarray(100, 1_100))).toBe(true);
  expect((await piece(cursor, 50, blob.bytes.length - 50)).equals(blob.bytes.subarray(50))).toBe(true);
  await cursor.close();
});

test("a source that ends early fails, also after earlier pieces were read", async () => {
  const cursor = new SourceCursor(bytesSource(blob.descriptor, blob.bytes.subarray(0, 8_000_000)), undefined);
  expect((await piece(cursor, 0, 4_000_000)).length).toBe(4_000_000);
  await rejects(piece(cursor, 4_000_000, 5_000_000), "SIZE_MISMATCH");
  await cursor.close();
});
