import { existsSync, readdirSync, statSync, utimesSync } from "node:fs";
import { type FileHandle, mkdir, open, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { describe, expect, test } from "vitest";
import { temporary } from "../../test/support/temporary.ts";
import { digestOf } from "../spec/index.ts";
import { rejects, seededBytes, testBlob, withoutLeaks } from "../testing/index.ts";
import { GrowingFile } from "./growing-file.ts";
import { BlobDirectory, type Body, bytesContent, Content, type GrowingFileHandle, GrowingFileReader } from "./index.ts";

/** A body that counts how often it was closed. */
function counted(chunks: readonly Uint8Array[]): { body: Body; closed: () => number } {
  let closed = 0;
  const body: Body = {
    async pump(write, signal) {
      for (const chunk of chunks) {
        signal?.throwIfAborted();
        await write(chunk);
      }
    },
    close() {
      closed += 1;
    },
  };
  return { body, closed: () => closed };
}

describe("Content", () => {
  const blob = testBlob(seededBytes(3000));
  const thirds = [0, 1000, 2000].map((at) => blob.bytes.subarray(at, at + 1000));

  test("withholds the final chunk of wrong bytes, and delivers the others", async () => {
    const wrong = [...thirds.slice(0, 2), Buffer.alloc(1000)];
    const received: number[] = [];
    const { body, closed } = counted(wrong);
    const content = new Content(blob.descriptor, body, { what: "blob" });
    await rejects(
      content.pipe((chunk) => void received.push(chunk.length)),
      "DIGEST_MISMATCH",
    );
    expect(received).toEqual([1000, 1000]);
    expect(closed()).toBeGreaterThan(0);
  });

  test("of an unknown size withholds the newest chunk until the end", async () => {
    const { digest } = blob.descriptor;
    const received: number[] = [];
    const good = new Content({ digest }, counted(thirds).body, { what: "blob" });
    await good.pipe((chunk) => void received.push(chunk.length));
    expect(received).toEqual([1000, 1000, 1000]);
    received.length = 0;
    const cut = new Content({ digest }, counted(thirds.slice(0, 2)).body, { what: "blob" });
    await rejects(
      cut.pipe((chunk) => void received.push(chunk.length)),
      "DIGEST_MISMATCH",
    );
    expect(received).toEqual([1000]);
  });

  test("closes its body when iterating ends or stops early, and when it is cancelled or disposed", async () => {
    const uses: ((content: Content) => Promise<unknown>)[] = [
      async (content) => {
        for await (const _ of content);
      },
      async (content) => {
        for await (const _ of content) break;
      },
      (content) => content.cancel(),
      async (content) => {
        await using _ = content;
      },
    ];
    for (const use of uses) {
      const { body, closed } = counted(thirds);
      await use(new Content(blob.descriptor, body, { what: "blob" }));
      expect(closed()).toBeGreaterThan(0);
    }
  });

  test("iterating yields chunks that are not overwritten", async () => {
    const buffer = Buffer.alloc(1000);
    const reusing: Body = {
      async pump(write) {
        for (const part of thirds) {
          part.copy(buffer);
          await write(buffer);
        }
      },
      close() {},
    };
    const chunks: Uint8Array[] = [];
    for await (const chunk of new Content(blob.descriptor, reusing, { what: "blob" })) chunks.push(chunk);
    expect(Buffer.concat(chunks).equals(blob.bytes)).toBe(true);
  });
});

/** What a reader needs: its own file descriptor, which the test closes. */
async function handleOf(file: GrowingFile, size?: number): Promise<{ handle: GrowingFileHandle; opened: FileHandle }> {
  const opened = await open(file.path, "r");
  return { handle: { fd: opened.fd, shared: file.shared, size }, opened };
}

describe("GrowingFile", () => {
  test("is read up to its watermark while it grows, also by a worker", async () => {
    const path = join(await temporary(), "growing");
    const bytes = seededBytes(3_500_000);
    const file = await GrowingFile.create(path);
    const { handle, opened } = await handleOf(file, bytes.length);
    const script = `
      const { parentPort, workerData } = require("node:worker_threads");
      import(workerData.module).then(({ GrowingFileReader }) => {
        const reader = new GrowingFileReader(workerData.handle);
        const hash = require("node:crypto").createHash("sha256");
        const part = Buffer.alloc(1 << 20);
        let steps = 0;
        for (let at = 0; ; ) {
          const count = reader.readSync(part, at);
          if (count === 0) break;
          at += count;
          hash.update(part.subarray(0, count));
          steps += 1;
          if (steps === 1) parentPort.postMessage("reading");
        }
        parentPort.postMessage({ digest: "sha256:" + hash.digest("hex"), steps });
      });`;
    const module = new URL("../../dist/content/index.js", import.meta.url).href;
    const worker = new Worker(script, { eval: true, workerData: { module, handle } });
    const message = <T>(): Promise<T> =>
      new Promise((resolve, reject) => worker.once("message", resolve).once("error", reject));
    const reader = new GrowingFileReader(handle);
    const fill = async (from: number, to: number): Promise<void> => {
      for (let at = from; at < to; at += 100_000) await file.append(bytes.subarray(at, Math.min(at + 100_000, to)));
    };
    // The worker reads the first bytes while most have not been written.
    const reading = message();
    await fill(0, 1_200_000);
    expect(await reading).toBe("reading");
    const result = message<{ digest: string; steps: number }>();
    await fill(1_200_000, bytes.length);
    const first = await reader.wait(0);
    expect(first.end).toBeGreaterThan(0);
    await file.finish();
    expect(await reader.wait(0)).toEqual({ end: bytes.length - 1, ended: false, restarts: 0 });
    file.complete();
    expect(await reader.wait(bytes.length)).toEqual({ end: bytes.length, ended: true, restarts: 0 });
    const { digest, steps } = await result;
    expect(digest).toBe(digestOf(bytes));
    expect(steps).toBeGreaterThan(1);
    await worker.terminate();
    await opened.close();
  });

  test("tells its readers when it fails, and the writer when the disk does", async () => {
    const path = join(await temporary(), "growing");
    const file = await GrowingFile.create(path);
    const { handle, opened } = await handleOf(file);
    const reader = new GrowingFileReader(handle);
    const waiting = rejects(reader.wait(0), "TRANSFER_INTERRUPTED");
    await file.fail();
    await waiting;
    expect(() => reader.waitSync(0)).toThrow(/failed/);
    await opened.close();
    await expect(GrowingFile.create(path)).rejects.toThrow("EEXIST");
  });

  test("writes the bytes of a slow source before a block is full, and withholds the last byte", async () => {
    const path = join(await temporary(), "growing");
    const file = await GrowingFile.create(path);
    const { handle, opened } = await handleOf(file);
    const reader = new GrowingFileReader(handle);
    file.append(Buffer.from("0123456789"));
    expect((await reader.wait(0)).end).toBe(9);
    file.append(Buffer.from("abc"));
    expect((await reader.wait(9)).end).toBe(12);
    await file.finish({ sync: false });
    file.complete();
    expect(await reader.wait(12)).toEqual({ end: 13, ended: true, restarts: 0 });
    await opened.close();
  });

  test("that starts over fails the readers that have read bytes, and no others", async () => {
    const path = join(await temporary(), "growing");
    const file = await GrowingFile.create(path);
    const { handle, opened } = await handleOf(file);
    const [early, late] = [new GrowingFileReader(handle), new GrowingFileReader(handle)];
    file.append(Buffer.from("wrong bytes"));
    const buffer = Buffer.alloc(100);
    await early.wait(0);
    expect(early.readSync(buffer, 0)).toBe(10);
    const waiting = rejects(early.wait(10), "TRANSFER_RESTARTED");
    file.append(Buffer.from("never seen"));
    await file.startOver();
    await waiting;
    expect(() => early.readSync(buffer, 10)).toThrow(/started over/);
    file.append(Buffer.from("right"));
    expect((await late.wait(0)).end).toBe(4);
    await file.finish({ sync: false });
    file.complete();
    for (const reader of [early, late]) {
      expect(buffer.toString("latin1", 0, reader.readSync(buffer, 0))).toBe("right");
      expect(reader.readSync(buffer, 5)).toBe(0);
    }
    await opened.close();
  });
});

describe("BlobDirectory", () => {
  const blob = testBlob(seededBytes(2_000_000));

  test("shares one download between concurrent calls", () =>
    withoutLeaks(async () => {
      const directory = new BlobDirectory(await temporary());
      let opened = 0;
      const open = async (): Promise<Content> => {
        opened += 1;
        await new Promise((resolve) => setTimeout(resolve, 30));
        return bytesContent(blob.descriptor, blob.bytes, "blob");
      };
      const moved = await Promise.all([1, 2, 3].map(() => directory.write(blob.descriptor, open)));
      expect(opened).toBe(1);
      expect(moved.filter(Boolean)).toHaveLength(1);
      expect(await directory.write(blob.descriptor, open)).toBe(false);
      expect((await (await directory.read(blob.descriptor)).bytes({ limit: 1 << 30 })).equals(blob.bytes)).toBe(true);
      await directory.close();
    }));

  test("continues for the other calls when the call that downloads is aborted", async () => {
    const directory = new BlobDirectory(await temporary());
    const stop = new AbortController();
    let opened = 0;
    const open = async (): Promise<Content> => {
      opened += 1;
      await new Promise((resolve) => setTimeout(resolve, 50));
      return bytesContent(blob.descriptor, blob.bytes, "blob");
    };
    const leader = directory.write(blob.descriptor, open, { signal: stop.signal });
    const follower = directory.write(blob.descriptor, open);
    stop.abort(new Error("not me"));
    await expect(leader).rejects.toThrow("not me");
    expect(await follower).toBe(true);
    expect(opened).toBe(2);
    expect(await directory.follow(blob.descriptor.digest)).toBeUndefined();
    await directory.close();
  });

  test("publishes nothing after a failure, and leaves no temporary file", async () => {
    const root = await temporary();
    const directory = new BlobDirectory(root);
    const wrong = async (): Promise<Content> =>
      bytesContent(blob.descriptor, Buffer.concat([blob.bytes.subarray(1), Buffer.from("x")]), "blob");
    await rejects(directory.write(blob.descriptor, wrong), "DIGEST_MISMATCH");
    expect(existsSync(directory.path(blob.descriptor.digest))).toBe(false);
    const [session] = readdirSync(join(root, "tmp"));
    expect(readdirSync(join(root, "tmp", session!))).toEqual([]);
    await directory.close();
    expect(existsSync(join(root, "tmp"))).toBe(false);
  });

  test("removes the sessions of dead processes from tmp/, and keeps those of running ones", async () => {
    const root = await temporary();
    for (const name of ["gantry-dead", "gantry-alive", "notes"]) {
      await mkdir(join(root, "tmp", name), { recursive: true });
      await writeFile(join(root, "tmp", name, "part"), "x");
    }
    utimesSync(join(root, "tmp/gantry-dead"), 1, 1);
    utimesSync(join(root, "tmp/notes"), 1, 1);
    const directory = new BlobDirectory(root);
    await (await directory.upload()).cancel();
    expect(readdirSync(join(root, "tmp"))).toEqual(expect.arrayContaining(["gantry-alive", "notes"]));
    expect(readdirSync(join(root, "tmp"))).not.toContain("gantry-dead");
    await directory.close();
  });

  test("gives files of a store to their owner only, and files of a layout the modes that the umask allows", async () => {
    for (const [shared, mode] of [
      [false, 0o600],
      [true, 0o666 & ~process.umask()],
    ] as const) {
      const directory = new BlobDirectory(await temporary(), { shared });
      await directory.write(blob.descriptor, async () => bytesContent(blob.descriptor, blob.bytes, "blob"));
      expect(statSync(directory.path(blob.descriptor.digest)).mode & 0o777).toBe(mode);
      expect((await readFile(directory.path(blob.descriptor.digest))).equals(blob.bytes)).toBe(true);
      await directory.close();
    }
  });
});
