import { readdirSync } from "node:fs";
import { open, rm } from "node:fs/promises";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { describe, expect, test } from "vitest";
import { temporary } from "../../test/support/temporary.ts";
import { GantryError } from "../base/error.ts";
import { digestOf } from "../spec/index.ts";
import { rejects, seededBytes, testBlob, withoutLeaks } from "../testing/index.ts";
import { BlobDirectory, Content, type Follower, GrowingFileReader, type OpenContentOptions } from "./index.ts";

const blob = testBlob(seededBytes(3_000_000, 5));
const { descriptor, bytes } = blob;
const { digest } = descriptor;

/** A source that sends only the bytes that the test orders. */
class HeldSource {
  /** Offsets that it was opened at. */
  readonly asked: number[] = [];
  readonly #orders: (Uint8Array | Error | "end")[] = [];
  #wake: () => void = () => {};
  #openGate: Promise<void> = Promise.resolve();

  /** @param gate the source does not open before it resolves */
  constructor(gate?: Promise<void>) {
    if (gate) this.#openGate = gate;
  }

  send(chunk: Uint8Array): this {
    return this.#order(chunk);
  }

  end(): this {
    return this.#order("end");
  }

  fail(error: Error): this {
    return this.#order(error);
  }

  #order(order: Uint8Array | Error | "end"): this {
    this.#orders.push(order);
    this.#wake();
    return this;
  }

  readonly open = async ({ from }: OpenContentOptions): Promise<Content> => {
    await this.#openGate;
    this.asked.push(from?.offset ?? 0);
    const next = async (signal?: AbortSignal): Promise<Uint8Array | Error | "end"> => {
      while (this.#orders.length === 0) {
        await new Promise<void>((resolve, reject) => {
          this.#wake = resolve;
          signal?.addEventListener("abort", () => reject(signal.reason), { once: true });
        });
      }
      return this.#orders.shift()!;
    };
    const body = {
      async pump(write: (chunk: Uint8Array) => void | Promise<void>, signal?: AbortSignal): Promise<void> {
        for (let order = await next(signal); order !== "end"; order = await next(signal)) {
          if (order instanceof Error) throw order;
          await write(order);
        }
      },
      close() {},
    };
    return new Content(descriptor, body, { what: "a held blob", from });
  };
}

async function start(source = new HeldSource(), options: { signal?: AbortSignal } = {}) {
  const root = await temporary();
  const directory = new BlobDirectory(root);
  const written = directory.write(descriptor, source.open, options);
  written.catch(() => {});
  return { root, directory, source, written };
}

async function follow(directory: BlobDirectory): Promise<Follower> {
  const follower = await directory.follow(digest);
  if (!follower) throw new Error("no write is under way");
  return follower;
}

/** All bytes of a follower. */
async function readAll(follower: Follower): Promise<Buffer> {
  const chunks: Buffer[] = [];
  await follower.pump((chunk) => void chunks.push(Buffer.from(chunk)));
  return Buffer.concat(chunks);
}

/** Reads exactly `length` bytes from the beginning. */
async function readFirst(follower: Follower, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  for (let at = 0; at < length; ) at += await follower.read(buffer.subarray(at), at);
  return buffer;
}

describe("a follower", () => {
  test("reads the first bytes while the source is held, and all bytes in the end", () =>
    withoutLeaks(async () => {
      const { directory, source, written } = await start();
      source.send(bytes.subarray(0, 10));
      const follower = await follow(directory);
      expect(follower.size).toBe(bytes.length);
      const buffer = Buffer.alloc(100);
      expect(await follower.read(buffer, 0)).toBe(10);
      expect(buffer.subarray(0, 10).equals(bytes.subarray(0, 10))).toBe(true);
      const rest = follower.read(buffer, 10);
      source.send(bytes.subarray(10, 12));
      expect(await rest).toBe(2);
      source.send(bytes.subarray(12)).end();
      expect((await readAll(follower)).equals(bytes)).toBe(true);
      await follower.proved;
      expect(await written).toBe(true);
      await follower.close();
      await directory.close();
    }));

  test("starts when the source is opened, and exists only while a write is under way", async () => {
    let openGate = (): void => {};
    const gate = new Promise<void>((resolve) => {
      openGate = resolve;
    });
    const { directory, source, written } = await start(new HeldSource(gate));
    expect(await directory.follow(digestOf("other"))).toBeUndefined();
    const following = follow(directory);
    openGate();
    const follower = await following;
    source.send(bytes).end();
    await written;
    expect(await directory.follow(digest)).toBeUndefined();
    expect((await readAll(follower)).equals(bytes)).toBe(true);
    await follower.close();
    // An existing blob is not written again, so there is nothing to follow.
    const again = directory.write(descriptor, source.open);
    expect(await directory.follow(digest)).toBeUndefined();
    expect(await again).toBe(false);
    await directory.close();
  });

  test("can still read after the blob was published and even removed", async () => {
    const { directory, source, written } = await start();
    source.send(bytes.subarray(0, 1_500_000));
    const follower = await follow(directory);
    expect((await readFirst(follower, 1000)).equals(bytes.subarray(0, 1000))).toBe(true);
    source.send(bytes.subarray(1_500_000)).end();
    await written;
    await rm(directory.path(digest));
    expect((await readAll(follower)).equals(bytes)).toBe(true);
    await follower.close();
    await directory.close();
  });

  test("fails with the error of the writer", async () => {
    const { directory, source, written } = await start();
    source.send(bytes.subarray(0, 2_000_000));
    const [early, late] = [await follow(directory), await follow(directory)];
    await readFirst(early, 2_000_000);
    const waiting = early.read(Buffer.alloc(10), 2_000_000);
    const broken = new GantryError("CONNECTION_FAILED", "the line is dead");
    source.fail(broken);
    for (const told of [waiting, readAll(late), early.proved, late.proved, written]) {
      await expect(told).rejects.toBe(broken);
    }
    await Promise.all([early.close(), late.close()]);
    expect(await directory.follow(digest)).toBeUndefined();
    await directory.close();
  });

  test("never has all bytes of a blob with the wrong digest", async () => {
    const { directory, source, written } = await start();
    const follower = await follow(directory);
    let received = 0;
    const pumped = follower.pump((chunk) => {
      received += chunk.byteLength;
    });
    const wrong = Buffer.from(bytes);
    wrong[wrong.length - 1]! ^= 1;
    source.send(wrong.subarray(0, -1));
    await follower.read(Buffer.alloc(1), bytes.length - 2);
    source.send(wrong.subarray(-1)).end();
    await rejects(pumped, "DIGEST_MISMATCH");
    expect(received).toBeLessThan(bytes.length);
    await rejects(follower.proved, "DIGEST_MISMATCH");
    await rejects(written, "DIGEST_MISMATCH");
    await follower.close();
    await directory.close();
  });

  test("gets TRANSFER_RESTARTED if it has read bytes before a restart, and can read again from offset 0", async () => {
    const root = await temporary();
    const failing = new BlobDirectory(root);
    const broken = new GantryError("CONNECTION_FAILED", "the line is dead");
    await rejects(
      failing.write(descriptor, new HeldSource().send(bytes.subarray(0, 2_000_000)).fail(broken).open),
      "CONNECTION_FAILED",
    );
    await failing.close();
    const [name] = readdirSync(join(root, "tmp/partial"));
    const partial = await open(join(root, "tmp/partial", name!), "r+");
    await partial.write(Buffer.from("damage"), 0, 6, 1000);
    await partial.close();

    const directory = new BlobDirectory(root);
    const source = new HeldSource();
    const written = directory.write(descriptor, source.open);
    const [early, late] = [await follow(directory), await follow(directory)];
    expect(source.asked).toEqual([2_000_000]);
    await readFirst(early, 2_000_000);
    const waiting = early.read(Buffer.alloc(10), 2_000_000);
    // The digest does not match, so the source is asked for the whole blob.
    source.send(bytes.subarray(2_000_000));
    await rejects(waiting, "TRANSFER_RESTARTED");
    source.send(bytes.subarray(0, 10));
    const buffer = Buffer.alloc(10);
    expect(await early.read(buffer, 0)).toBe(10);
    expect(buffer.equals(bytes.subarray(0, 10))).toBe(true);
    source.send(bytes.subarray(10)).end();
    for (const follower of [early, late]) {
      expect((await readAll(follower)).equals(bytes)).toBe(true);
      await follower.proved;
      await follower.close();
    }
    expect(await written).toBe(true);
    expect(source.asked).toEqual([2_000_000, 0]);
    await directory.close();
  });

  test("stops at once when its signal is aborted, and the write continues", async () => {
    const { directory, source, written } = await start();
    source.send(bytes.subarray(0, 10));
    const follower = await follow(directory);
    const stop = new AbortController();
    const waiting = follower.read(Buffer.alloc(10), 10, stop.signal);
    const pumping = follower.pump(() => {}, stop.signal);
    const enough = new Error("enough");
    stop.abort(enough);
    await expect(waiting).rejects.toBe(enough);
    await expect(pumping).rejects.toBe(enough);
    await expect(directory.follow(digest, { signal: stop.signal })).rejects.toBe(enough);
    source.send(bytes.subarray(10)).end();
    expect(await written).toBe(true);
    expect((await readAll(follower)).equals(bytes)).toBe(true);
    await follower.close();
    await directory.close();
  });

  test("rejects waiting reads when it is closed", async () => {
    const { directory, source, written } = await start();
    const follower = await follow(directory);
    const pumping = rejects(
      follower.pump(() => {}),
      "TRANSFER_INTERRUPTED",
    );
    await follower.close();
    await follower.close();
    await pumping;
    await rejects(follower.read(Buffer.alloc(10), 0), "TRANSFER_INTERRUPTED");
    source.send(bytes).end();
    expect(await written).toBe(true);
    await directory.close();
  });

  test("follows the call that takes over an aborted write", async () => {
    let openGate = (): void => {};
    const gate = new Promise<void>((resolve) => {
      openGate = resolve;
    });
    const stop = new AbortController();
    const { directory, written } = await start(new HeldSource(gate), { signal: stop.signal });
    const other = new HeldSource().send(bytes);
    const takenOver = directory.write(descriptor, other.open);
    const following = follow(directory);
    stop.abort(new Error("enough"));
    openGate();
    await expect(written).rejects.toThrow("enough");
    const follower = await following;
    other.end();
    expect((await readAll(follower)).equals(bytes)).toBe(true);
    expect(await takenOver).toBe(true);
    await follower.close();
    await directory.close();
  });

  test("is refused with the reason if the write was aborted while its source was opening", async () => {
    let openGate = (): void => {};
    const gate = new Promise<void>((resolve) => {
      openGate = resolve;
    });
    const stop = new AbortController();
    const { directory, written } = await start(new HeldSource(gate), { signal: stop.signal });
    const following = directory.follow(digest);
    const enough = new Error("enough");
    stop.abort(enough);
    openGate();
    await expect(following).rejects.toBe(enough);
    await expect(written).rejects.toBe(enough);
    expect(await directory.follow(digest)).toBeUndefined();
    await directory.close();
  });

  test("reads the same bytes as ninety-nine others", () =>
    withoutLeaks(async () => {
      const { directory, source, written } = await start();
      const followers = await Promise.all(Array.from({ length: 100 }, () => follow(directory)));
      const pumped = followers.map(readAll);
      for (let at = 0; at < bytes.length; at += 700_000) {
        source.send(bytes.subarray(at, at + 700_000));
        await followers[0]!.read(Buffer.alloc(1), at);
      }
      source.end();
      for (const all of await Promise.all(pumped)) expect(all.equals(bytes)).toBe(true);
      expect(await written).toBe(true);
      await Promise.all(followers.map((follower) => follower.close()));
      await directory.close();
    }));

  test("lends its handle to a worker", async () => {
    const { directory, source, written } = await start();
    const follower = await follow(directory);
    const script = `
      const { parentPort, workerData } = require("node:worker_threads");
      import(workerData.module).then(({ GrowingFileReader }) => {
        const reader = new GrowingFileReader(workerData.handle);
        const hash = require("node:crypto").createHash("sha256");
        const part = Buffer.alloc(100_000);
        for (let at = 0; ; ) {
          const count = reader.readSync(part, at);
          if (at === 0) parentPort.postMessage(count);
          if (count === 0) break;
          at += count;
          hash.update(part.subarray(0, count));
        }
        parentPort.postMessage("sha256:" + hash.digest("hex"));
      });`;
    const module = new URL("../../dist/content/index.js", import.meta.url).href;
    const worker = new Worker(script, { eval: true, workerData: { module, handle: follower.handle } });
    const message = (): Promise<unknown> =>
      new Promise((resolve, reject) => worker.once("message", resolve).once("error", reject));
    const first = message();
    source.send(bytes.subarray(0, 10));
    expect(await first).toBe(10);
    const result = message();
    source.send(bytes.subarray(10)).end();
    expect(await result).toBe(digest);
    expect(await written).toBe(true);
    await worker.terminate();
    await follower.close();
    await directory.close();
  });

  test("refuses offsets that are not whole numbers from 0 on, and reads nothing into an empty buffer", async () => {
    const { directory, source, written } = await start();
    source.send(bytes.subarray(0, 10));
    const follower = await follow(directory);
    const reader = new GrowingFileReader(follower.handle);
    for (const offset of [Number.NaN, -1, 1.5, Number.POSITIVE_INFINITY, 2 ** 53, undefined as never, "1" as never]) {
      await rejects(follower.read(Buffer.alloc(1), offset), "USAGE");
      await rejects(follower.read(Buffer.alloc(0), offset), "USAGE");
      await rejects(reader.wait(offset), "USAGE");
      for (const read of [() => reader.readSync(Buffer.alloc(1), offset), () => reader.waitSync(offset)]) {
        expect(read).toThrow(expect.objectContaining({ code: "USAGE" }));
      }
    }
    expect(await follower.read(Buffer.alloc(0), 0)).toBe(0);
    expect(await follower.read(Buffer.alloc(0), bytes.length)).toBe(0);
    expect(reader.readSync(Buffer.alloc(0), 0)).toBe(0);
    source.send(bytes.subarray(10)).end();
    expect(await written).toBe(true);
    expect(await follower.read(Buffer.alloc(0), 0)).toBe(0);
    expect((await readAll(follower)).equals(bytes)).toBe(true);
    await follower.close();
    await directory.close();
  });

  test("can be the body of Content", async () => {
    const { directory, source } = await start();
    source.send(bytes).end();
    const content = new Content(descriptor, await follow(directory), { what: "what is followed" });
    expect((await content.bytes()).equals(bytes)).toBe(true);
    await directory.close();
  });
});
