import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, onTestFinished, test } from "vitest";
import { missing } from "../../test/support/peers.ts";
import { ask, codeOf } from "../../test/support/raw.ts";
import { temporary } from "../../test/support/temporary.ts";
import { messageOf } from "../base/error.ts";
import { LayoutRegistry } from "../registry/layout/layout.ts";
import { digestOf, hexOf } from "../spec/digest.ts";
import { pushImage, randomImage, seededBytes, startTestRegistry, type TestRegistry } from "../testing/index.ts";

/** A served layout, and what its server reports. */
async function served(directory: string): Promise<{ server: TestRegistry; layout: LayoutRegistry; told: string[] }> {
  const told: string[] = [];
  const layout = new LayoutRegistry(directory, { create: true });
  const server = await startTestRegistry({
    registry: layout,
    onError: (error, { method, path }) => told.push(`${method} ${path}: ${messageOf(error)}`),
  });
  onTestFinished(async () => {
    await server.close();
    await layout.close();
  });
  return { server, layout, told };
}

describe("an upload whose Content-Range does not fit", () => {
  const cases: [range: string, length: number, headers?: Record<string, string>][] = [
    ["0-99", 100],
    ["11-20", 10],
    ["9-18", 10],
    ["500-0", 10],
    ["10-9", 0],
    ["10-19", 11],
    ["10-19", 9],
    ["10-19", 0],
    ["10-19", 11, { "transfer-encoding": "chunked" }],
    ["10-19", 9, { "transfer-encoding": "chunked" }],
    ["ten-19", 10],
    ["10", 10],
    ["10-", 10],
    ["-10", 10],
    ["10-19,20-29", 10],
    ["lines 10-19", 10],
    ["9".repeat(30), 10],
    [`10-${"9".repeat(30)}`, 10],
    ["", 10],
  ];
  test.each(["PATCH", "PUT"])("%s is answered with 416 and the received range, and can be resumed", async (method) => {
    await using server = await startTestRegistry();
    for (const [range, length, more = {}] of cases) {
      const started = String((await ask(server, "POST", "/v2/app/blobs/uploads/")).headers["location"]);
      await ask(server, "PATCH", started, { body: "0123456789", headers: { "content-range": "0-9" } });
      const bytes = Buffer.alloc(length, "x");
      const digest = digestOf(Buffer.concat([Buffer.from("0123456789"), bytes]));
      const path = method === "PUT" ? `${started}?digest=${digest}` : started;
      const answer = await ask(server, method, path, { body: bytes, headers: { "content-range": range, ...more } });
      expect([range, length, answer.status, codeOf(answer)]).toEqual([range, length, 416, "BLOB_UPLOAD_INVALID"]);
      expect(answer.headers["location"]).toBe(started);
      const last = Number(/^0-(\d+)$/.exec(String(answer.headers["range"]))![1]);
      expect(last).toBeLessThanOrEqual(9 + length);
      expect((await ask(server, "GET", started)).headers["range"]).toBe(`0-${last}`);
      expect((await ask(server, "HEAD", `/v2/app/blobs/${digest}`)).status).toBe(404);
      const rest = { "content-range": `${last + 1}-${last + 3}` };
      expect((await ask(server, "PATCH", started, { body: "abc", headers: rest })).status).toBe(202);
    }
  });

  test("a Content-Range that fits is accepted, with or without a unit", async () => {
    await using server = await startTestRegistry();
    for (const range of ["10-19", "bytes 10-19", "bytes 10-19/20", "bytes 10-19/*"]) {
      const started = String((await ask(server, "POST", "/v2/app/blobs/uploads/")).headers["location"]);
      await ask(server, "PATCH", started, { body: "0123456789", headers: { "content-range": "0-9" } });
      const path = `${started}?digest=${digestOf(Buffer.from("0123456789xxxxxxxxxx"))}`;
      const answer = await ask(server, "PUT", path, { body: "x".repeat(10), headers: { "content-range": range } });
      expect([range, answer.status]).toEqual([range, 201]);
    }
  });
});

test("a Range that is not valid is ignored, and a Range past the end is refused", async () => {
  await using server = await startTestRegistry();
  const image = randomImage({ sizes: [5000] });
  await pushImage(server.registry, "app", image, "v1");
  const { digest, size } = image.blobs[1]!.descriptor;
  const status = async (headers: Record<string, string>): Promise<number> =>
    (await ask(server, "GET", `/v2/app/blobs/${digest}`, { headers })).status;
  for (const range of ["bytes=500-0", "bytes=9999999-0", "bytes=5-3", "bytes=-", "bytes=a-b", "bytes=1-2,4-5", "0-5"]) {
    expect([range, await status({ range })]).toEqual([range, 200]);
  }
  for (const range of [`bytes=${size}-`, `bytes=${size}-${size + 5}`, "bytes=-0"]) {
    expect([range, await status({ range })]).toEqual([range, 416]);
  }
  for (const range of ["bytes=0-0", "bytes=0-99999999", "BYTES=5-", "bytes=-3"]) {
    expect([range, await status({ range })]).toEqual([range, 206]);
  }
  expect(await status({ range: "bytes=0-5", "if-range": `"${digest}"` })).toBe(206);
  expect(await status({ range: "bytes=0-5", "if-range": '"another"' })).toBe(200);
});

describe("a server whose registry fails", () => {
  test("answers 500 for a damaged manifest, cuts off a damaged blob, and reports both", async () => {
    const directory = await temporary();
    const { server, told } = await served(directory);
    const image = randomImage({ sizes: [3 << 20] });
    const { digest } = await pushImage(server.registry, "app", image, "v1");
    const path = join(directory, "blobs/sha256", hexOf(digest));
    const whole = await readFile(path);
    for (const damaged of [whole.subarray(1), Buffer.concat([whole.subarray(1), Buffer.from(" ")])]) {
      await writeFile(path, damaged);
      for (const [method, reference] of [
        ["GET", "v1"],
        ["GET", digest],
        ["HEAD", "v1"],
      ] as const) {
        told.length = 0;
        const answer = await ask(server, method, `/v2/app/manifests/${reference}`);
        expect([reference, answer.status]).toEqual([reference, 500]);
        expect(told).toHaveLength(1);
        expect(told[0]).toContain(`${method} /v2/app/manifests/${reference}: `);
        expect(told[0]).toContain(digest);
      }
    }
    told.length = 0;
    const layer = image.blobs[1]!.descriptor.digest;
    await writeFile(join(directory, "blobs/sha256", hexOf(layer)), seededBytes(image.blobs[1]!.bytes.length, 9));
    await expect(ask(server, "GET", `/v2/app/blobs/${layer}`)).rejects.toThrow();
    expect(told).toEqual([expect.stringContaining(`GET /v2/app/blobs/${layer}: `)]);
    await writeFile(join(directory, "index.json"), "{");
    told.length = 0;
    const empty = '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}';
    const headers = { "content-type": "application/vnd.oci.image.index.v1+json" };
    expect((await ask(server, "PUT", "/v2/app/manifests/v2", { body: empty, headers })).status).toBe(500);
    expect(told).toHaveLength(1);
  });

  test("does not report mistakes of clients, nor clients that close the connection", async () => {
    const { server, told } = await served(await temporary());
    const image = randomImage({ sizes: [30 << 20] });
    await pushImage(server.registry, "app", image, "v1");
    for (const path of ["/v2/app/manifests/none", "/v2/APP/tags/list", "/v2/app/blobs/sha256:x", "/nothing"]) {
      expect((await ask(server, "GET", path)).status).toBeLessThan(500);
    }
    const [host, port] = server.host.split(":");
    const digest = image.blobs[1]!.descriptor.digest;
    const leaving = connect(Number(port), host);
    leaving.write(`GET /v2/app/blobs/${digest} HTTP/1.1\r\nhost: localhost\r\n\r\n`);
    await once(leaving, "data");
    leaving.destroy();
    while ((await server.connections()) > 0) await sleep(10);
    expect(told).toEqual([]);
  });

  test("names no path of this machine to clients, but does so in its log", async () => {
    const work = await temporary();
    const directory = join(work, "layout");
    const { server, told } = await served(directory);
    const said: string[] = [];
    const say = async (method: string, path: string, body?: string): Promise<void> => {
      const answer = await ask(server, method, path, { body });
      said.push(answer.body + JSON.stringify(answer.headers));
    };
    const absent = `sha256:${"0".repeat(64)}`;
    const requests = async (): Promise<void> => {
      for (const path of [
        "manifests/v1",
        `manifests/${absent}`,
        `blobs/${absent}`,
        "tags/list",
        `referrers/${absent}`,
      ]) {
        await say("GET", `/v2/app/${path}`);
        await say("DELETE", `/v2/app/${path}`);
      }
      await say("GET", "/v2/_catalog");
      await say("POST", `/v2/app/blobs/uploads/?digest=${absent}`, "other bytes");
      await say("POST", `/v2/app/blobs/uploads/?mount=${absent}&from=other`);
      await say("PUT", `/v2/app/manifests/v1`, String(randomImage().documents[0]!.bytes));
    };
    await requests();
    await pushImage(server.registry, "app", randomImage(), "v1");
    await requests();
    await writeFile(join(directory, "index.json"), "{");
    await requests();
    await rm(directory, { recursive: true });
    await requests();
    for (const text of said) expect(text).not.toContain(work);
    expect(told.some((line) => line.includes(directory))).toBe(true);
  });

  const root = missing({ root: true, programs: ["mount"] });
  test.skipIf(root)(
    `answers 507 where the disk is full, and keeps nothing of the upload${root ? ` (${root})` : ""}`,
    async () => {
      const directory = join(await temporary(), "small");
      await mkdir(directory);
      expect(spawnSync("mount", ["-t", "tmpfs", "-o", "size=4m", "none", directory]).status).toBe(0);
      onTestFinished(() => void spawnSync("umount", ["-l", directory]));
      const { server, told } = await served(join(directory, "layout"));
      const started = String((await ask(server, "POST", "/v2/app/blobs/uploads/")).headers["location"]);
      const answer = await ask(server, "PATCH", started, { body: seededBytes(16 << 20) });
      expect([answer.status, answer.body]).toEqual([507, expect.not.stringContaining(directory)]);
      expect(told).toEqual([expect.stringMatching(/^PATCH .*(?:no space|ENOSPC)/)]);
      expect((await ask(server, "GET", started)).status).toBe(404);
      const sessions = await readdir(join(directory, "layout/tmp"));
      const left = await Promise.all(sessions.map((name) => readdir(join(directory, "layout/tmp", name))));
      expect(left.flat()).toEqual([]);
      // An image that fits is still accepted. A blob that does not fit is refused in a single request too.
      await pushImage(server.registry, "app", randomImage(), "v1");
      const large = seededBytes(16 << 20);
      const whole = await ask(server, "POST", `/v2/app/blobs/uploads/?digest=${digestOf(large)}`, { body: large });
      expect(whole.status).toBe(507);
      expect((await ask(server, "GET", "/v2/app/manifests/v1")).status).toBe(200);
    },
  );
});
