import { existsSync, readdirSync, readFileSync, utimesSync } from "node:fs";
import { mkdir, open, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { temporary } from "../../test/support/temporary.ts";
import { GantryError } from "../base/error.ts";
import { type Digest, digestOf } from "../spec/index.ts";
import { rejects, seededBytes, testBlob } from "../testing/index.ts";
import { BlobDirectory } from "./blob-directory.ts";
import { Content } from "./content.ts";
import { GrowingFile } from "./growing-file.ts";
import { bytesBody, type OpenContentOptions } from "./source.ts";

const blob = testBlob(seededBytes(5_000_000, 3));
const { digest } = blob.descriptor;
const nameOf = (of: Digest): string => of.replace(":", "-");

/** A source that fails after some bytes, and records the offsets that it was opened at. */
function source(options: { breaksAfter?: number; bytes?: Buffer; ignores?: boolean } = {}) {
  const asked: number[] = [];
  const openIt = async ({ from }: OpenContentOptions): Promise<Content> => {
    asked.push(from?.offset ?? 0);
    const start = options.ignores ? undefined : from;
    const bytes = (options.bytes ?? blob.bytes).subarray(start?.offset ?? 0);
    const body = bytesBody(bytes.subarray(0, options.breaksAfter ?? bytes.length));
    const broken = {
      ...body,
      async pump(...args: Parameters<typeof body.pump>) {
        await body.pump(...args);
        if (options.breaksAfter !== undefined) throw new GantryError("TRANSFER_INTERRUPTED", "broken");
      },
    };
    return new Content(blob.descriptor, broken, { what: "a blob", from: start });
  };
  return { asked, open: openIt };
}

/** A directory in which a transfer was interrupted after 3 MB. */
async function broken(): Promise<string> {
  const root = await temporary();
  const directory = new BlobDirectory(root);
  await rejects(directory.write(blob.descriptor, source({ breaksAfter: 3_000_000 }).open), "TRANSFER_INTERRUPTED");
  await directory.close();
  return root;
}

describe("a partial download", () => {
  test("is resumed by the next write, which leaves no partial download", async () => {
    const root = await broken();
    expect(readdirSync(join(root, "tmp/partial"))).toEqual([nameOf(digest)]);
    const directory = new BlobDirectory(root);
    const rest = source();
    expect(await directory.write(blob.descriptor, rest.open)).toBe(true);
    expect(rest.asked).toEqual([3_000_000]);
    expect(readFileSync(directory.path(digest)).equals(blob.bytes)).toBe(true);
    await directory.close();
    expect(existsSync(join(root, "tmp/partial"))).toBe(false);
  });

  test("stays when the write is aborted while it is hashed again", async () => {
    const root = await broken();
    const directory = new BlobDirectory(root);
    const stop = new AbortController();
    const stopped = directory.write(blob.descriptor, source().open, { signal: stop.signal });
    stop.abort(new Error("enough"));
    await expect(stopped).rejects.toThrow("enough");
    await directory.close();
    expect(readdirSync(join(root, "tmp/partial"))).toEqual([nameOf(digest)]);
    expect(readFileSync(join(root, "tmp/partial", nameOf(digest))).length).toBe(3_000_000);
  });

  test("is discarded if the source starts at the first byte", async () => {
    const directory = new BlobDirectory(await broken());
    await directory.write(blob.descriptor, source({ ignores: true }).open);
    expect(readFileSync(directory.path(digest)).equals(blob.bytes)).toBe(true);
    await directory.close();
  });

  test("that is damaged costs one retry, and no wrong byte is published", async () => {
    const root = await broken();
    const file = await open(join(root, "tmp/partial", nameOf(digest)), "r+");
    await file.write(Buffer.from("x"), 0, 1, 1_000_000);
    await file.close();
    const directory = new BlobDirectory(root);
    const again = source();
    await directory.write(blob.descriptor, again.open);
    expect(again.asked).toEqual([3_000_000, 0]);
    expect(digestOf(readFileSync(directory.path(digest)))).toBe(digest);
    await directory.close();
  });

  test("is discarded if the source refuses to resume", async () => {
    const directory = new BlobDirectory(await broken());
    const whole = source();
    await directory.write(blob.descriptor, async (options) => {
      if (options.from) throw new GantryError("RANGE_INVALID", "no ranges");
      return whole.open(options);
    });
    expect(readFileSync(directory.path(digest)).equals(blob.bytes)).toBe(true);
    await directory.close();
  });

  test("is not kept if the bytes of the source were wrong", async () => {
    const root = await temporary();
    const directory = new BlobDirectory(root);
    const wrong = Buffer.from(blob.bytes);
    wrong[0] = wrong[0]! ^ 1;
    await rejects(directory.write(blob.descriptor, source({ bytes: wrong }).open), "DIGEST_MISMATCH");
    await directory.close();
    expect(existsSync(join(root, "tmp"))).toBe(false);
  });

  test("is kept for a day, unless it is small", async () => {
    const root = await broken();
    const kept = join(root, "tmp/partial", nameOf(digest));
    utimesSync(kept, Date.now() / 1000 - 90_000, Date.now() / 1000 - 90_000);
    const directory = new BlobDirectory(root);
    const again = source({ breaksAfter: 1000 });
    await rejects(directory.write(blob.descriptor, again.open), "TRANSFER_INTERRUPTED");
    expect(again.asked).toEqual([0]);
    await directory.close();
    expect(existsSync(kept)).toBe(false);
  });

  test("of a killed process is kept, unless the blob exists by now", async () => {
    const root = await temporary();
    const directory = new BlobDirectory(root);
    await directory.write(blob.descriptor, source().open);
    await directory.close();
    const session = join(root, "tmp/gantry-killed");
    await mkdir(session, { recursive: true });
    const other = testBlob(seededBytes(3_000_000, 8)).descriptor.digest;
    for (const name of [nameOf(digest), nameOf(other), "sha256-00"])
      await writeFile(join(session, name), Buffer.alloc(2_000_000));
    utimesSync(session, 1, 1);
    const next = new BlobDirectory(root);
    await (await next.upload()).cancel();
    await next.close();
    expect(readdirSync(join(root, "tmp"))).toEqual(["partial"]);
    expect(readdirSync(join(root, "tmp/partial"))).toEqual([nameOf(other)]);
  });

  test("of a process that only slept is copied, not shared", async () => {
    const root = await temporary();
    const sleeping = new BlobDirectory(root);
    let wake = (): void => {};
    const slept = new Promise<void>((resolve) => {
      wake = resolve;
    });
    const wrong = Buffer.alloc(2_000_000, "w");
    const half = sleeping.write(blob.descriptor, async () => {
      const body = bytesBody(blob.bytes.subarray(0, 3_000_000));
      return new Content(
        blob.descriptor,
        {
          ...body,
          async pump(write) {
            await body.pump(write);
            await slept;
            await write(wrong);
          },
        },
        { what: "slow" },
      );
    });
    const failed = rejects(half, "DIGEST_MISMATCH", "SIZE_MISMATCH");
    const session = await vitestWait(() => readdirSync(join(root, "tmp"))[0]!);
    await vitestWait(() =>
      readFileSync(join(root, "tmp", session, nameOf(digest))).length >= 2 << 20 ? true : undefined,
    );
    utimesSync(join(root, "tmp", session), 1, 1);
    const other = new BlobDirectory(root);
    await other.write(blob.descriptor, source().open);
    wake();
    await failed;
    expect(digestOf(readFileSync(other.path(digest)))).toBe(digest);
    await Promise.all([sleeping.close(), other.close()]);
  });

  test("does not touch other files in tmp/, and does not follow links", async () => {
    const root = await temporary();
    const victim = await temporary();
    await writeFile(join(victim, "precious"), "x");
    await mkdir(join(root, "tmp/notes"), { recursive: true });
    await symlink(victim, join(root, "tmp/gantry-link"));
    await symlink(victim, join(root, "tmp/partial"));
    for (const name of ["notes"]) utimesSync(join(root, "tmp", name), 1, 1);
    utimesSync(victim, 1, 1);
    const directory = new BlobDirectory(root);
    await rejects(directory.write(blob.descriptor, source({ breaksAfter: 3_000_000 }).open), "TRANSFER_INTERRUPTED");
    await directory.close();
    expect(readdirSync(victim)).toEqual(["precious"]);
    expect(readdirSync(join(root, "tmp")).sort()).toEqual(["gantry-link", "notes", "partial"]);
    const linked = await temporary();
    await symlink(victim, join(linked, "tmp"));
    await rejects(new BlobDirectory(linked).write(blob.descriptor, source().open), "NOT_REGULAR_FILE");
    expect(readdirSync(victim)).toEqual(["precious"]);
  });
});

async function vitestWait<T>(look: () => T | undefined): Promise<T> {
  for (let tries = 0; tries < 500; tries += 1) {
    try {
      const found = look();
      if (found !== undefined) return found;
    } catch {
      // Not created yet.
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error("it did not come");
}

test("a growing file writes overlapping appends in the order of the calls", async () => {
  const path = join(await temporary(), "file");
  const file = await GrowingFile.create(path);
  const pieces = Array.from({ length: 40 }, (_, at) => seededBytes(700_000 + at, at + 1));
  await Promise.all(pieces.map((piece) => file.append(piece)));
  await file.finish();
  expect(readFileSync(path).equals(Buffer.concat(pieces))).toBe(true);
});
