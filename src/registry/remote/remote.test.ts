import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, onTestFinished, test } from "vitest";
import { answer, listening } from "../../../test/support/http.ts";
import { bytesSource } from "../../content/index.ts";
import { parseRepoName, parseTag } from "../../reference/index.ts";
import { registryHandler } from "../../server/index.ts";
import { pushImage, randomImage, rejects, seededBytes, startTestRegistry, testBlob } from "../../testing/index.ts";
import { MemoryRegistry } from "../memory/memory.ts";
import { RemoteRegistry } from "./remote.ts";

const repo = parseRepoName("app");
const v1 = parseTag("v1");

describe("a remote registry", () => {
  test("requests do not block each other's connection slots: tokens, and a copy within one registry", async () => {
    const memory = new MemoryRegistry();
    const handler = registryHandler(memory);
    const server = await listening((request, response) => {
      const url = new URL(request.url!, "http://x");
      if (url.pathname === "/token") return answer(response, 200, { token: "t" });
      if (url.pathname === "/v2/") return answer(response, 200, {});
      if (request.headers.authorization !== "Bearer t") {
        request.resume();
        const challenge = `Bearer realm="http://${request.headers.host}/token"`;
        return answer(response, 401, Buffer.alloc(30_000), { "www-authenticate": challenge });
      }
      handler(request, response);
    });
    const remote = new RemoteRegistry(server.host, { backoff: 1 });
    const names = Array.from({ length: 20 }, (_, at) => parseRepoName(`app-${at}`));
    const asked = await Promise.allSettled(names.map((name) => remote.getManifest(name, v1)));
    for (const result of asked) expect(result).toMatchObject({ reason: { code: "MANIFEST_UNKNOWN" } });
    const blobs = Array.from({ length: 12 }, (_, at) => testBlob(seededBytes(300_000, at + 1)));
    for (const { descriptor, bytes } of blobs) await memory.pushBlob(repo, descriptor, bytesSource(descriptor, bytes));
    await Promise.all(
      blobs.map(({ descriptor }) =>
        remote.pushBlob(parseRepoName("copy"), descriptor, {
          replayable: true,
          open: (options) => remote.getBlob(repo, descriptor, options),
        }),
      ),
    );
    await remote.close();
  });

  test("callers that need a token at the same time share one request, and a caller that aborts does not fail the others", async () => {
    let tokens = 0;
    const server = await listening((request, response) => {
      const url = new URL(request.url!, "http://x");
      if (url.pathname === "/token") {
        tokens += 1;
        return void setTimeout(() => answer(response, 200, { token: "t" }), 100);
      }
      if (url.pathname === "/v2/") return answer(response, 200, {});
      if (request.headers.authorization) return answer(response, 404);
      answer(response, 401, "", { "www-authenticate": `Bearer realm="http://${request.headers.host}/token"` });
    });
    let found = 0;
    const remote = new RemoteRegistry(server.host, {
      backoff: 1,
      credentials: {
        async find() {
          found += 1;
          await sleep(50);
          return undefined;
        },
      },
    });
    const stop = new AbortController();
    const first = remote.getManifest(repo, v1, { signal: stop.signal });
    const others = Array.from({ length: 5 }, () => remote.getManifest(repo, v1));
    await sleep(20);
    stop.abort(new Error("A gave up"));
    await expect(first).rejects.toThrow("A gave up");
    for (const result of await Promise.allSettled(others))
      expect(result).toMatchObject({ reason: { code: "MANIFEST_UNKNOWN" } });
    expect([found, tokens]).toEqual([1, 1]);
    await remote.close();
  });

  test("a signal also ends the reading of a document; closing ends requests without a signal", async () => {
    const server = await listening((request, response) => {
      if (request.url === "/v2/") return answer(response, 200, {});
      response.writeHead(200, { "content-length": "1000" });
      response.write("x");
    });
    const remote = new RemoteRegistry(server.host);
    const reason = new Error("enough");
    const stop = new AbortController();
    const asked = remote.getManifest(repo, v1, { signal: stop.signal });
    setTimeout(() => stop.abort(reason), 100);
    await expect(asked).rejects.toBe(reason);
    const open = remote.getManifest(repo, v1);
    setTimeout(() => void remote.close(), 100);
    await expect(open).rejects.toMatchObject({ name: "GantryError" });
  });

  test("every error response becomes a short typed error, without delay", async () => {
    const bodies: unknown[] = [
      { errors: [{ code: { toString: 1 }, message: { toString: 1 } }] },
      { errors: [{ code: 5, message: null }, null, "x", []] },
      { errors: [{ code: "DENIED", message: "a-".repeat(30_000) }] },
      { errors: Array.from({ length: 5_000 }, () => ({ code: "x".repeat(9), message: "y" })) },
      null,
      [],
      { errors: "no" },
    ];
    for (const body of bodies) {
      const server = await listening((request, response) => {
        if (request.url === "/v2/") return answer(response, 200, {});
        answer(response, 400, JSON.stringify(body));
      });
      const remote = new RemoteRegistry(server.host, { backoff: 1 });
      const error = await remote.getManifest(repo, v1).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ name: "GantryError", message: expect.stringContaining("answered 400") });
      expect((error as Error).message.length).toBeLessThan(900);
      expect(JSON.stringify(error).length).toBeLessThan(3_000);
      await remote.close();
    }
  });

  test("a server that sends tiny parts of a range causes an error, not one request for each byte", async () => {
    const blob = testBlob(seededBytes(3_000_000, 2));
    let asked = 0;
    const server = await listening((request, response) => {
      if (request.url === "/v2/") return answer(response, 200, {});
      asked += 1;
      const from = Number(/bytes=(\d+)-/.exec(request.headers.range ?? "")?.[1] ?? 0);
      if (from === 0) {
        response.writeHead(200, { "content-length": blob.bytes.length });
        return void response.write(blob.bytes.subarray(0, 1_000_000), () => setTimeout(() => response.destroy(), 20));
      }
      answer(response, 206, blob.bytes.subarray(from, from + 1), {
        "content-range": `bytes ${from}-${from}/${blob.bytes.length}`,
      });
    });
    const remote = new RemoteRegistry(server.host, { backoff: 1 });
    const content = await remote.getBlob(repo, blob.descriptor);
    await rejects(
      content.pipe(() => {}),
      "TRANSFER_INTERRUPTED",
    );
    expect(asked).toBeLessThan(10);
    await remote.close();
  });

  test("the request that finds out the protocol contains no secrets", async () => {
    const server = await listening((_request, response) => answer(response, 404));
    const remote = new RemoteRegistry(server.host, { backoff: 1, headers: { "x-secret": "s3cret" } });
    await rejects(remote.getManifest(repo, v1), "MANIFEST_UNKNOWN");
    expect(server.seen.map(({ url, headers }) => [url, headers["x-secret"]])).toEqual([
      ["/v2/", undefined],
      ["/v2/app/manifests/v1", "s3cret"],
    ]);
    await remote.close();
  });

  test("answers a Bearer challenge with an anonymous token, once for each scope, and again when it has expired", async () => {
    const memory = new MemoryRegistry();
    await pushImage(memory, repo, randomImage(), "v1");
    const handler = registryHandler(memory);
    const tokens: string[] = [];
    let valid = "";
    const server = createServer((request, response) => {
      const url = new URL(request.url ?? "", "http://x");
      if (url.pathname === "/token") {
        expect(request.headers.authorization).toBeUndefined();
        tokens.push(url.search);
        valid = `token-${tokens.length}`;
        response.end(JSON.stringify({ token: valid, expires_in: 300 }));
      } else if (url.pathname !== "/v2/" && request.headers.authorization !== `Bearer ${valid}`) {
        const realm = `http://${request.headers.host}/token`;
        response
          .writeHead(401, {
            "www-authenticate": `Basic realm="x", Bearer realm="${realm}",service="the, \\"service\\"",scope="repository:app:pull"`,
          })
          .end();
      } else handler(request, response);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => void server.closeAllConnections());
    onTestFinished(() => void server.close());
    const remote = new RemoteRegistry(`127.0.0.1:${(server.address() as AddressInfo).port}`);
    await remote.getManifest(repo, v1);
    await remote.resolveManifest(repo, v1);
    expect(tokens).toEqual(["?service=the%2C+%22service%22&scope=repository%3Aapp%3Apull"]);
    valid = "another";
    await remote.getManifest(repo, v1);
    expect(tokens).toHaveLength(2);
    await remote.close();
  });

  test("reports the refusal where the registry refuses the token", async () => {
    await using server = await startTestRegistry({
      faults: [
        { on: { kind: "status", status: 401 }, path: /manifests/ },
        { on: { kind: "status", status: 403 }, path: /blobs/ },
      ],
    });
    const remote = new RemoteRegistry(server.host, { backoff: 1 });
    await rejects(remote.getManifest(repo, v1), "UNAUTHORIZED");
    await rejects(remote.getBlob(repo, testBlob("x").descriptor), "DENIED");
    await remote.close();
  });

  test("follows redirects of blobs without secrets, and a limited number of them", async () => {
    const blob = testBlob(seededBytes(100_000));
    await using store = await startTestRegistry();
    await store.registry.pushBlob(repo, blob.descriptor, bytesSource(blob.descriptor, blob.bytes));
    await using front = await startTestRegistry({
      faults: [
        {
          on: { kind: "redirect", to: (path) => `http://${store.host}${path}?X-Signature=secret` },
          path: /\/blobs\//,
          method: "GET",
        },
      ],
    });
    const remote = new RemoteRegistry(front.host, { backoff: 1 });
    const content = await remote.getBlob(repo, blob.descriptor);
    expect((await content.bytes()).equals(blob.bytes)).toBe(true);
    expect(store.requests).toHaveLength(1);
    expect(store.requests[0]!.headers.authorization).toBeUndefined();
    front.faults = [{ on: { kind: "redirect", to: (path) => path }, path: /\/blobs\// }];
    await rejects(remote.getBlob(repo, blob.descriptor), "LIMIT_EXCEEDED");
    front.faults = [{ on: { kind: "redirect", to: () => "file:///etc/passwd" }, path: /\/blobs\// }];
    await rejects(remote.getBlob(repo, blob.descriptor), "REDIRECT_REFUSED");
    await remote.close();
  });

  test("resumes a broken download where it ended, or from the start where the server supports no ranges", async () => {
    const blob = testBlob(seededBytes(300_000));
    for (const ranges of [true, false]) {
      await using server = await startTestRegistry();
      await server.registry.pushBlob(repo, blob.descriptor, bytesSource(blob.descriptor, blob.bytes));
      server.faults = [
        { on: { kind: "cut", after: 120_000 }, method: "GET", path: /blobs/, times: 2 },
        ...(ranges ? [] : [{ on: { kind: "noRange" as const } }]),
      ];
      const remote = new RemoteRegistry(server.host, { backoff: 1 });
      expect((await (await remote.getBlob(repo, blob.descriptor)).bytes()).equals(blob.bytes)).toBe(true);
      const asked = server.requests
        .filter(({ method, path }) => method === "GET" && path.includes("/blobs/"))
        .map(({ headers }) => headers.range);
      expect(asked[0]).toBeUndefined();
      expect(asked.slice(1).every((range) => /^bytes=\d+-$/.test(range ?? ""))).toBe(true);
      if (ranges) expect(asked).toEqual([undefined, "bytes=120000-", "bytes=240000-"]);
      await remote.close();
    }
  });

  test("delivers no chunk while its reader is busy with the one before, also when the connection breaks", async () => {
    const blob = testBlob(seededBytes(400_000));
    await using server = await startTestRegistry();
    await server.registry.pushBlob(repo, blob.descriptor, bytesSource(blob.descriptor, blob.bytes));
    server.faults = [{ on: { kind: "cut", after: 130_000 }, method: "GET", path: /blobs/, times: 2 }];
    const remote = new RemoteRegistry(server.host, { backoff: 1 });
    const chunks: Buffer[] = [];
    let busy = 0;
    await (await remote.getBlob(repo, blob.descriptor)).pipe(async (chunk) => {
      busy += 1;
      expect(busy).toBe(1);
      // Longer than the connection stays open.
      await sleep(60);
      chunks.push(Buffer.from(chunk));
      busy -= 1;
    });
    expect(Buffer.concat(chunks).equals(blob.bytes)).toBe(true);
    await remote.close();
  });

  test("gives up on a server that stalls, after a bounded number of tries", async () => {
    const blob = testBlob(seededBytes(50_000));
    await using server = await startTestRegistry();
    await server.registry.pushBlob(repo, blob.descriptor, bytesSource(blob.descriptor, blob.bytes));
    server.faults = [{ on: { kind: "noRange" } }, { on: { kind: "stall", after: 1000 }, method: "GET", path: /blobs/ }];
    const remote = new RemoteRegistry(server.host, { backoff: 1, idleTimeout: 100 });
    await rejects((await remote.getBlob(repo, blob.descriptor)).bytes(), "TRANSFER_INTERRUPTED");
    expect(server.requests.filter(({ method }) => method === "GET").length).toBeLessThanOrEqual(5);
    await remote.close();
  });

  test("reads lists that name no next page, and refuses those that lead to another host or back to an earlier page", async () => {
    await using server = await startTestRegistry();
    for (const tag of ["a", "b"]) await pushImage(server.registry, repo, randomImage(), tag);
    const remote = new RemoteRegistry(server.host, { backoff: 1 });
    const list = async (): Promise<string[]> => {
      const found: string[] = [];
      for await (const tag of remote.tags(repo)) found.push(tag);
      return found;
    };
    server.faults = [{ on: { kind: "noLink" } }];
    expect(await list()).toEqual(["a", "b"]);
    await remote.close();
  });
});
