import { describe, expect, test } from "vitest";
import { answer, listening } from "../../../test/support/http.ts";
import { directEndpoint, type Endpoint, type RouteSource } from "../../config/routes.ts";
import { bytesSource } from "../../content/index.ts";
import { parseRepoName, parseTag } from "../../reference/index.ts";
import { digestOf } from "../../spec/index.ts";
import { pushImage, randomImage, rejects, seededBytes, startTestRegistry, testBlob } from "../../testing/index.ts";
import { RateLimiter } from "../../transport/rate.ts";
import { login } from "../../verbs/login.ts";
import { MemoryRegistry } from "../memory/memory.ts";
import { RoutedRegistry } from "./routed.ts";

const app = parseRepoName("app");
const v1 = parseTag("v1");

function routes(...endpoints: (Partial<Endpoint> & { readonly host: string })[]): RouteSource {
  return {
    async routes(_host, repo) {
      return { endpoints: endpoints.map((endpoint) => ({ ...directEndpoint(endpoint.host, repo), ...endpoint })) };
    },
  };
}

const mirror = (host: string, more: Partial<Endpoint> = {}) => ({
  host,
  mirror: true,
  capabilities: ["pull", "resolve", "referrers"] as const,
  ...more,
});

describe("a registry with routes", () => {
  test("reads try the mirrors in their order and the registry last; the error names the endpoints that failed", async () => {
    const image = randomImage();
    const memory = new MemoryRegistry();
    await pushImage(memory, "app", image, "v1");
    await using itself = await startTestRegistry({ registry: memory });
    await using empty = await startTestRegistry();
    await using broken = await startTestRegistry({ faults: [{ on: { kind: "status", status: 500 }, path: /app/ }] });
    await using lying = await startTestRegistry({
      registry: memory,
      faults: [{ on: { kind: "corrupt" }, method: "GET", path: /manifests\/sha/ }],
    });
    const said: string[] = [];
    const registry = new RoutedRegistry("reg.example", {
      routes: routes(mirror("127.0.0.1:1"), mirror(empty.host), mirror(broken.host), mirror(lying.host), {
        host: itself.host,
      }),
      backoff: 1,
      progress: (event) => void (event.type === "message" && said.push(event.text)),
    });
    const { digest } = image.descriptor;
    expect((await registry.getManifest(app, digest)).descriptor.digest).toBe(digest);
    const layer = image.blobs[0]!;
    const content = await registry.getBlob(app, layer.descriptor);
    expect((await content.bytes()).equals(layer.bytes)).toBe(true);
    expect((await registry.resolveManifest(app, v1)).digest).toBe(digest);
    expect((await registry.resolveBlob(app, layer.descriptor.digest)).size).toBe(layer.bytes.length);
    for (const host of ["127.0.0.1:1", empty.host, broken.host, lying.host]) {
      expect(
        said.some((text) => text.startsWith(`mirror ${host} of reg.example`)),
        host,
      ).toBe(true);
    }
    const absent = registry.getManifest(app, digestOf("nothing"));
    await rejects(absent, "MANIFEST_UNKNOWN");
    await expect(absent).rejects.toThrow(new RegExp(`endpoints asked before: .*${empty.host}`));
    await registry.close();
  });

  test("after a final endpoint, no other endpoint is asked", async () => {
    await using proxy = await startTestRegistry();
    await using hub = await startTestRegistry();
    await pushImage(hub.registry, "app", randomImage(), "v1");
    const registry = new RoutedRegistry("docker.io", {
      routes: routes(mirror(proxy.host, { final: true, capabilities: ["pull", "resolve", "referrers", "list"] }), {
        host: hub.host,
        capabilities: ["push"],
      }),
      backoff: 1,
    });
    await rejects(registry.getManifest(app, v1), "MANIFEST_UNKNOWN");
    expect(hub.requests).toEqual([]);
    const { descriptor, bytes } = testBlob("x");
    await registry.pushBlob(app, descriptor, bytesSource(descriptor, bytes));
    expect(proxy.requests.every(({ method }) => method === "GET" || method === "HEAD")).toBe(true);
    expect(await hub.registry.resolveBlob(app, descriptor.digest)).toMatchObject({ size: 1 });
    await rejects(registry.deleteManifest(app, digestOf("x")), "MANIFEST_UNKNOWN");
    expect(hub.requests.at(-1)!.method).toBe("DELETE");
    await registry.close();
  });

  test("each endpoint gets its own credentials and no others", async () => {
    const asks = async (status: number) =>
      listening((request, response) => {
        if (!request.headers.authorization) {
          return answer(response, 401, "", { "www-authenticate": 'Basic realm="x"' });
        }
        answer(response, status);
      });
    const one = await asks(404);
    const two = await asks(404);
    const registry = new RoutedRegistry("reg.example", {
      routes: routes(mirror(one.host, { headers: { "x-mirror": "1" }, namespace: "reg.example" }), { host: two.host }),
      credentials: {
        async find(host) {
          return { kind: "password", username: "me", password: `for ${host}`, from: "a test" };
        },
      },
      backoff: 1,
    });
    await rejects(registry.getManifest(app, v1), "MANIFEST_UNKNOWN");
    const basic = (host: string): string => `Basic ${Buffer.from(`me:for ${host}`).toString("base64")}`;
    for (const server of [one, two]) {
      const sent = new Set(server.seen.map(({ headers }) => headers.authorization).filter(Boolean));
      expect([...sent]).toEqual([basic(server.host)]);
    }
    expect(one.seen.some(({ headers }) => headers["x-mirror"] === "1")).toBe(true);
    expect(two.seen.some(({ headers }) => headers["x-mirror"])).toBe(false);
    expect(
      one.seen.filter(({ url }) => url!.includes("manifests")).every(({ url }) => url!.includes("ns=reg.example")),
    ).toBe(true);
    expect(two.seen.some(({ url }) => url!.includes("ns="))).toBe(false);
    await registry.close();
  });

  test("some mirrors are only for tags or only for digests; no request is sent for a blocked repository", async () => {
    await using tags = await startTestRegistry();
    await using digests = await startTestRegistry();
    const only = (host: string, which: "tags" | "digests") => mirror(host, { only: which, final: true });
    const registry = new RoutedRegistry("reg.example", {
      routes: routes(only(tags.host, "tags"), only(digests.host, "digests")),
      backoff: 1,
    });
    await rejects(registry.getManifest(app, v1), "MANIFEST_UNKNOWN");
    await rejects(registry.getManifest(app, digestOf("x")), "MANIFEST_UNKNOWN");
    const asked = ({ requests }: typeof tags): string[] =>
      requests.filter(({ path }) => path !== "/v2/").map(({ path }) => path);
    expect(asked(tags)).toEqual(["/v2/app/manifests/v1"]);
    expect(asked(digests)).toEqual([`/v2/app/manifests/${digestOf("x")}`]);
    await rejects(registry.pushManifest(app, Buffer.from("{}"), "x"), "UNSUPPORTED");
    await registry.close();
    const blocked = new RoutedRegistry("reg.example", {
      routes: {
        routes: async (_host, repo) => ({ endpoints: [directEndpoint(tags.host, repo)], blockedBy: "/etc/x.conf" }),
      },
    });
    const before = tags.requests.length;
    await rejects(blocked.getManifest(app, v1), "DENIED");
    await expect(blocked.resolveManifest(app, v1)).rejects.toThrow("/etc/x.conf");
    await rejects(blocked.mountBlob(app, parseRepoName("other"), digestOf("x")), "DENIED");
    expect(tags.requests.length).toBe(before);
    await blocked.close();
  });

  test("requests to Docker Hub and to its proxy count against one quota", async () => {
    await using proxy = await startTestRegistry();
    await using hub = await startTestRegistry();
    const limiter = new RateLimiter({ perMinute: 60_000, burst: 2 });
    let taken = 0;
    const take = limiter.take.bind(limiter);
    limiter.take = (...args) => {
      taken += 1;
      return take(...args);
    };
    const registry = new RoutedRegistry("docker.io", {
      routes: routes(mirror(proxy.host, { final: true }), { host: hub.host, capabilities: ["push"] }),
      limiter,
      backoff: 1,
    });
    await rejects(registry.getManifest(app, v1), "MANIFEST_UNKNOWN");
    await rejects(registry.deleteTag(app, v1), "MANIFEST_UNKNOWN");
    expect(taken).toBe(proxy.requests.length + hub.requests.length);
    await registry.close();
  });

  test("a download that breaks at a mirror is resumed at the next endpoint; wrong bytes are an error", async () => {
    const blob = testBlob(seededBytes(24_000_000, 4));
    const memory = new MemoryRegistry();
    await memory.pushBlob(app, blob.descriptor, bytesSource(blob.descriptor, blob.bytes));
    let asks = 0;
    const cut = await listening((request, response) => {
      if (request.url === "/v2/") return answer(response, 200, {});
      asks += 1;
      if (asks > 1) return answer(response, 500);
      response.writeHead(200, { "content-length": blob.bytes.length });
      response.write(blob.bytes.subarray(0, 20_000_000), () => response.destroy());
    });
    await using itself = await startTestRegistry({ registry: memory });
    const registry = new RoutedRegistry("reg.example", {
      routes: routes(mirror(cut.host), { host: itself.host }),
      backoff: 1,
    });
    const content = await registry.getBlob(app, blob.descriptor);
    expect((await content.bytes({ limit: 30_000_000 })).equals(blob.bytes)).toBe(true);
    const [asked] = itself.requests.filter(({ path }) => path.includes("/blobs/"));
    expect(asked!.headers.range).toMatch(/^bytes=\d{7,8}-$/);
    await registry.close();
    // An endpoint without the blob is skipped.
    asks = 0;
    await using without = await startTestRegistry();
    const three = new RoutedRegistry("reg.example", {
      routes: routes(mirror(cut.host), mirror(without.host), { host: itself.host }),
      backoff: 1,
    });
    const again = await three.getBlob(app, blob.descriptor);
    expect((await again.bytes({ limit: 30_000_000 })).equals(blob.bytes)).toBe(true);
    await three.close();
    await using lying = await startTestRegistry({
      registry: memory,
      faults: [{ on: { kind: "corrupt" }, method: "GET", path: /blobs/ }],
    });
    const lied = new RoutedRegistry("reg.example", {
      routes: routes(mirror(lying.host), { host: itself.host }),
      backoff: 1,
    });
    const wrong = await lied.getBlob(app, blob.descriptor);
    await rejects(wrong.bytes({ limit: 30_000_000 }), "DIGEST_MISMATCH");
    await lied.close();
  });

  test("an unreachable mirror is asked once and then skipped", async () => {
    await using itself = await startTestRegistry();
    const image = randomImage();
    await pushImage(itself.registry, "app", image, "v1");
    const said: string[] = [];
    const registry = new RoutedRegistry("reg.example", {
      routes: routes(mirror("127.0.0.1:1"), { host: itself.host }),
      progress: (event) => void (event.type === "message" && said.push(event.text)),
    });
    for (let times = 0; times < 5; times += 1) await registry.getManifest(app, v1);
    expect(said.filter((text) => text.startsWith("mirror 127.0.0.1:1")).length).toBe(1);
    await registry.close();
  });

  test("an unreachable endpoint is asked again where no other endpoint answers", async () => {
    let up = false;
    const wakes = await listening((request, response) => {
      if (!up) return void request.socket.destroy();
      answer(response, 404);
    });
    const registry = new RoutedRegistry("reg.example", {
      routes: routes(mirror(wakes.host, { url: new URL(`http://${wakes.host}/v2/`) }), { host: "127.0.0.1:1" }),
      backoff: 1,
      attempts: 1,
    });
    await rejects(registry.getManifest(app, v1), "CONNECTION_FAILED");
    up = true;
    await rejects(registry.getManifest(app, v1), "MANIFEST_UNKNOWN");
    await registry.close();
  });

  test("a password that the user gave for a registry is not sent to its mirrors", async () => {
    const nosy = await listening((request, response) =>
      request.headers.authorization
        ? answer(response, 200, {})
        : answer(response, 401, "", { "www-authenticate": 'Basic realm="x"' }),
    );
    const options = {
      username: "me",
      password: "typed-secret",
      file: "/nowhere/auth.json",
      registry: {
        routes: routes(mirror(nosy.host, { capabilities: ["pull", "resolve", "push", "list"] }), {
          host: "127.0.0.1:1",
        }),
        attempts: 1,
        backoff: 1,
      },
    };
    await rejects(login("127.0.0.1:1", options), "CONNECTION_FAILED");
    await rejects(login("reg.example", options), "UNSUPPORTED");
    expect(nosy.seen).toEqual([]);
  });
});
