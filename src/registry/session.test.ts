import { once } from "node:events";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { answer, certificates, type Listening, listening } from "../../test/support/http.ts";
import { missing, peer } from "../../test/support/peers.ts";
import { temporary } from "../../test/support/temporary.ts";
import { guarded, known, tagsOf, tokenServer } from "../../test/support/tokens.ts";
import type { ProgressEvent } from "../base/progress.ts";
import { parseRepoName, parseTag } from "../reference/index.ts";
import { pushImage, randomImage, rejects, startTestRegistry } from "../testing/index.ts";
import { open, resolve } from "../verbs/index.ts";
import { ClientSession, client, RemoteRegistry } from "./index.ts";

const app = parseRepoName("app");
const v1 = parseTag("v1");

/** A registry that answers every request for app:v1, and the number of connections made to it. */
async function counted(tls?: Parameters<typeof listening>[1]): Promise<Listening & { readonly sockets: () => number }> {
  const headers = { "docker-content-digest": `sha256:${"a".repeat(64)}`, "content-length": "2" };
  const server = await listening((request, response) => {
    response.setHeader("content-type", "application/vnd.oci.image.manifest.v1+json");
    response.writeHead(200, request.url!.includes("/manifests/") ? headers : {});
    response.end(request.method === "HEAD" ? undefined : "{}");
  }, tls);
  let sockets = 0;
  server.server.on(tls ? "secureConnection" : "connection", () => {
    sockets += 1;
  });
  // The server never closes a connection by itself.
  server.server.keepAliveTimeout = 0;
  return { ...server, sockets: () => sockets };
}

/** Resolves when a request reports that it waits for the limiter. */
function waiting(): { readonly waits: Promise<void>; readonly progress: (event: ProgressEvent) => void } {
  let tell = (): void => {};
  const waits = new Promise<void>((done) => {
    tell = done;
  });
  const progress = (event: ProgressEvent): void => {
    if (event.type === "message" && event.text.includes("takes no more requests now")) tell();
  };
  return { waits, progress };
}

describe("a session of clients", () => {
  test("verbs that run one after the other share one quota, even with different options", async () => {
    const server = await counted();
    // The first call sends two requests (the protocol, the manifest), the second one; then the quota is used up.
    const rate = { perMinute: 0.001, burst: 3 };
    await resolve(`${server.host}/app:v1`, { registry: { rate } });
    const { waits, progress } = waiting();
    const stop = new AbortController();
    const registry = { userAgent: "other/1", headers: { "x-other": "1" } };
    const options = { progress, registry, signal: stop.signal };
    const second = resolve(`${server.host}/app:v1`, options);
    await waits;
    stop.abort(new Error("enough"));
    await expect(second).rejects.toThrow("enough");
    expect(server.seen.length).toBe(3);
    // Another session has its own quota.
    await using session = new ClientSession();
    await resolve(`${server.host}/app:v1`, { registry: { session } });
    expect(server.seen.length).toBe(5);
  });

  test("after one client gets a 429, the others wait too", async () => {
    let times = 0;
    const server = await listening((request, response) => {
      if (request.url === "/v2/") return answer(response, 200, {});
      times += 1;
      answer(response, 429, "", { "retry-after": "100" });
    });
    await rejects(new RemoteRegistry(server.host, { attempts: 1 }).getManifest(app, v1), "TOO_MANY_REQUESTS");
    const { waits, progress } = waiting();
    const other = client(server.host, { progress });
    const asked = other.getManifest(app, v1);
    await waits;
    await other.close();
    await rejects(asked, "CONNECTION_FAILED");
    expect(times).toBe(1);
  });

  test("a given rate applies to all clients of the registry, also to existing ones", async () => {
    const server = await counted();
    await using session = new ClientSession();
    const first = new RemoteRegistry(server.host, { session });
    await first.resolveManifest(app, v1);
    const { waits, progress } = waiting();
    const slow = new RemoteRegistry(server.host, { session, progress, rate: { perMinute: 0.001, burst: 1 } });
    await first.resolveManifest(app, v1);
    const held = slow.resolveManifest(app, v1);
    await waits;
    await slow.close();
    await rejects(held, "CONNECTION_FAILED");
    expect(server.seen.length).toBe(3);
    await first.close();
  });

  test("later calls and concurrent clients use existing connections", async () => {
    const server = await counted();
    for (let times = 0; times < 5; times += 1) await resolve(`${server.host}/app:v1`);
    expect(server.sockets()).toBe(1);
    const one = new RemoteRegistry(server.host);
    const two = client(server.host, { userAgent: "other/1" });
    await one.resolveManifest(app, v1);
    await two.resolveManifest(app, v1);
    expect(server.sockets()).toBe(1);
    // Another identity has its own connections.
    const other = new RemoteRegistry(server.host, { headers: { "x-secret": "1" } });
    await other.resolveManifest(app, v1);
    expect(server.sockets()).toBe(2);
    for (const registry of [one, two, other]) await registry.close();
  });

  test("closing a client ends its own requests, but not those of another client over the same connections", async () => {
    const image = randomImage({ sizes: [3_000_000] });
    await using server = await startTestRegistry();
    await pushImage(server.registry, "app", image, "v1");
    const [blob] = [...image.blobs].sort((a, b) => b.descriptor.size - a.descriptor.size);
    const one = open(`${server.host}/app:v1`);
    const two = open(`${server.host}/app:v1`);
    const dropped = await one.registry.getBlob(app, blob!.descriptor);
    const kept = await two.registry.getBlob(app, blob!.descriptor);
    await one.close();
    await rejects(dropped.bytes(), "CONNECTION_FAILED");
    expect((await kept.bytes()).equals(blob!.bytes)).toBe(true);
    await two.registry.getManifest(app, v1);
    // A closed client can be used again.
    await one.registry.getManifest(app, v1);
    for (const opened of [one, two]) await opened.close();
  });

  test("closing the last client closes the connections", async () => {
    const server = await counted();
    const one = new RemoteRegistry(server.host);
    const two = new RemoteRegistry(server.host);
    const connected = once(server.server, "connection");
    await one.resolveManifest(app, v1);
    await two.resolveManifest(app, v1);
    const [socket] = await connected;
    await one.close();
    await two.resolveManifest(app, v1);
    expect(server.sockets()).toBe(1);
    const closed = once(socket, "close");
    await two.close();
    await closed;
  });
});

describe("tokens of a session", () => {
  const secret = { kind: "password", username: "me", password: "secret" };

  test("all clients of one identity use one token, one after the other and at the same time", async () => {
    const tokens = await tokenServer();
    const host = await guarded(tokens);
    const { credentials, asked } = known(secret);
    const ask = async (options: object): Promise<void> => {
      const registry = new RemoteRegistry(host, options);
      expect(await tagsOf(registry)).toEqual(["v1"]);
      await registry.close();
    };
    await Promise.all([ask({ credentials }), ask({ credentials, userAgent: "a/1" }), ask({ credentials })]);
    for (let times = 0; times < 3; times += 1) await ask({ credentials, backoff: times + 1 });
    expect([tokens.requests.length, asked()]).toEqual([1, 3]);
    // Another source is another identity, even with the same credentials, unless both have the same `identity`.
    await ask(known(secret));
    expect(tokens.requests.length).toBe(2);
    for (let times = 0; times < 2; times += 1) await ask({ credentials: { ...credentials, identity: "me" } });
    expect(tokens.requests.length).toBe(3);
    await ask({ credentials, session: new ClientSession() });
    expect(tokens.requests.length).toBe(4);
    // A client without credentials uses no token of the others.
    await rejects(tagsOf(new RemoteRegistry(host)), "UNAUTHORIZED");
  });

  test("a client that is closed while it fetches a shared token does not fail the others", async () => {
    let held: (() => void) | undefined;
    let requests = 0;
    const server = await listening((request, response) => {
      const url = new URL(request.url!, "http://x");
      if (url.pathname === "/v2/") return answer(response, 200, {});
      if (url.pathname === "/token") {
        requests += 1;
        if (requests === 1) held?.();
        else answer(response, 200, { token: "t" });
        return;
      }
      if (request.headers.authorization === "Bearer t") return answer(response, 200, { tags: ["v1"] });
      answer(response, 401, "", { "www-authenticate": `Bearer realm="http://${request.headers.host}/token"` });
    });
    const asking = new Promise<void>((done) => {
      held = done;
    });
    const one = new RemoteRegistry(server.host);
    const two = new RemoteRegistry(server.host);
    const first = tagsOf(one);
    await asking;
    const second = tagsOf(two);
    // The second client has sent its request too, and waits for the token of the first.
    const waits = (): boolean => server.seen.filter(({ url }) => url!.includes("tags")).length === 2;
    while (!waits()) await new Promise((next) => setTimeout(next, 5));
    await one.close();
    await rejects(first, "CONNECTION_FAILED");
    expect(await second).toEqual(["v1"]);
    await two.close();
  });

  test("a token that is answered with 403 is dropped: the next client fetches a new one", async () => {
    let login = false;
    const server = await listening((request, response) => {
      const url = new URL(request.url!, "http://x");
      if (url.pathname === "/v2/") return answer(response, 200, {});
      const { authorization } = request.headers;
      if (url.pathname === "/token") return answer(response, 200, { token: authorization ? "mine" : "anybody" });
      if (authorization === "Bearer mine") return answer(response, 200, { tags: ["v1"] });
      if (authorization) return answer(response, 403);
      answer(response, 401, "", { "www-authenticate": `Bearer realm="http://${request.headers.host}/token"` });
    });
    const source = {
      find: async () => (login ? ({ ...secret, from: "a test" } as never) : undefined),
    };
    const before = new RemoteRegistry(server.host, { credentials: source });
    await rejects(tagsOf(before), "DENIED");
    login = true;
    const after = new RemoteRegistry(server.host, { credentials: source });
    expect(await tagsOf(after)).toEqual(["v1"]);
    for (const registry of [before, after]) await registry.close();
  });

  test("a client with a shared token redacts the secrets that the other client sent", async () => {
    const sent: string[] = [];
    const server = await listening((request, response) => {
      const url = new URL(request.url!, "http://x");
      if (url.pathname === "/v2/") return answer(response, 200, {});
      const { authorization } = request.headers;
      if (authorization) sent.push(authorization);
      if (url.pathname === "/token") return answer(response, 200, { token: "the-token" });
      if (!authorization) {
        const realm = `http://${request.headers.host}/token`;
        return answer(response, 401, "", { "www-authenticate": `Bearer realm="${realm}"` });
      }
      const errors = [{ code: "UNKNOWN", message: `someone said hunter2-secret, and ${sent.join(" and ")}` }];
      answer(response, 400, { errors });
    });
    const { credentials, asked } = known({ ...secret, password: "hunter2-secret" });
    for (let times = 0; times < 2; times += 1) {
      const registry = new RemoteRegistry(server.host, { credentials });
      const error: Error = await tagsOf(registry).then(
        () => expect.fail("it answered"),
        (reason: Error) => reason,
      );
      expect(error.message).toContain("someone said ***");
      expect(error.message).not.toMatch(/hunter2|the-token|Basic \w/);
      await registry.close();
    }
    expect(asked()).toBe(1);
  });
});

const noTls = missing({ programs: ["openssl"] });
const registryModule = fileURLToPath(new URL("../../dist/registry/index.js", import.meta.url));
const verbsModule = fileURLToPath(new URL("../../dist/verbs/index.js", import.meta.url));

describe("a process that closes no client", () => {
  const script = (host: string, options: string): string => `
    import { client, RemoteRegistry } from ${JSON.stringify(registryModule)};
    import { open, resolve } from ${JSON.stringify(verbsModule)};
    const options = ${options};
    const nested = { registry: options };
    await new RemoteRegistry("${host}", options).resolveManifest("app", "v1");
    await client("${host}", options).resolveManifest("app", "v1");
    await resolve("${host}/app:v1", nested);
    const opened = open("${host}/app:v1", nested);
    await opened.registry.resolveManifest("app", "v1");
    console.log("done");`;

  test("ends by itself when its work is done", async () => {
    const server = await counted();
    const said = await peer(process.execPath, ["--input-type=module", "-e", script(server.host, "{}")]);
    expect([said, server.sockets()]).toEqual(["done\n", 1]);
  });

  test.skipIf(noTls)(`ends by itself also over TLS${noTls ? ` (${noTls})` : ""}`, async () => {
    const files = await certificates(await temporary(), "IP:127.0.0.1");
    const server = await counted({ cert: readFileSync(files.cert), key: readFileSync(files.key) });
    const options = JSON.stringify({ caFiles: [files.ca], backoff: 1 });
    const said = await peer(process.execPath, ["--input-type=module", "-e", script(server.host, options)]);
    expect([said, server.sockets()]).toEqual(["done\n", 1]);
  });
});
