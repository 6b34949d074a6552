import { describe, expect, test, vi } from "vitest";
import { answer, listening } from "../../test/support/http.ts";
import { known } from "../../test/support/tokens.ts";
import { userCredentials } from "../config/index.ts";
import { parseRepoName, parseTag } from "../reference/index.ts";
import { pushImage, randomImage, rejects, startTestRegistry } from "../testing/index.ts";
import { client, remote } from "./client.ts";

const app = parseRepoName("app");
const v1 = parseTag("v1");

describe("client", () => {
  test("the same host and options give the same client, under every name of Docker Hub; other options give another", () => {
    const credentials = known({ kind: "password", username: "me", password: "x" }).credentials;
    const hub = client("docker.io");
    for (const name of ["index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"]) {
      expect([name, client(name) === hub]).toEqual([name, true]);
    }
    expect(client("ghcr.io")).not.toBe(hub);
    expect(client("docker.io", { credentials })).not.toBe(hub);
    expect(client("docker.io", { credentials })).toBe(client("docker.io", { credentials }));
    expect(client("docker.io", { insecure: true })).not.toBe(hub);
    expect(client("docker.io", { caFiles: ["/a"] })).not.toBe(client("docker.io", { caFiles: ["/b"] }));
    expect(client("docker.io", { caFiles: ["/a"], insecure: true })).toBe(
      client("docker.io", { insecure: true, caFiles: ["/a"] }),
    );
    expect(client("docker.io", { insecure: undefined, cache: undefined, routes: undefined })).toBe(hub);
    expect(client("docker.io", { headers: undefined, insecure: true })).toBe(client("docker.io", { insecure: true }));
    expect(client("docker.io", { cache: {} })).toBe(hub);
    expect(client("docker.io", { cache: { maxBytes: 1 } })).not.toBe(hub);
    const bare: Record<string, string> = Object.assign(Object.create(null), { "x-a": "1" });
    expect(client("docker.io", { headers: bare })).toBe(client("docker.io", { headers: { "x-a": "1" } }));
    expect(client("docker.io", { headers: bare })).not.toBe(client("docker.io", { headers: { "x-a": "2" } }));
    const proxy = (): undefined => undefined;
    expect(client("docker.io", { proxy })).not.toBe(hub);
    expect(client("docker.io", { clientCertificate: async () => undefined })).not.toBe(
      client("docker.io", { clientCertificate: async () => undefined }),
    );
  });

  test("the user's credentials have one identity for each list of files, however often they are created", () => {
    const of = (file: string): unknown => userCredentials({ REGISTRY_AUTH_FILE: file }).identity;
    expect(of("/a.json")).toBe(of("/a.json"));
    expect(of("/a.json")).not.toBe(of("/b.json"));
    const hub = (file: string) => client("docker.io", { credentials: userCredentials({ REGISTRY_AUTH_FILE: file }) });
    expect(hub("/a.json")).toBe(hub("/a.json"));
    expect(hub("/a.json")).not.toBe(hub("/b.json"));
  });

  test("an invalid host is an error each time, and no client is kept", async () => {
    for (const host of ["", "no host", "a/b", "http://a"]) {
      expect(() => client(host)).toThrow(expect.objectContaining({ code: "INVALID_REFERENCE" }));
      expect(() => remote(host)).toThrow(expect.objectContaining({ code: "INVALID_REFERENCE" }));
    }
  });

  test("a header that is undefined is not sent", async () => {
    await using server = await startTestRegistry();
    await pushImage(server.registry, "app", randomImage(), "v1");
    const headers = { "x-none": undefined, "x-some": "value" } as unknown as Record<string, string>;
    const registry = remote(server.host, { headers });
    expect((await registry.getManifest(app, v1)).bytes.byteLength).toBeGreaterThan(0);
    await registry.close();
  });

  test("caches manifests and small blobs; `fresh` asks again; remote() caches nothing", async () => {
    await using server = await startTestRegistry();
    const image = randomImage();
    await pushImage(server.registry, "app", image, "v1");
    const asked = (): number => server.requests.filter(({ path }) => path !== "/v2/").length;
    const shared = client(server.host);
    for (let times = 0; times < 3; times += 1) {
      await shared.getManifest(app, v1);
      await (await shared.getBlob(app, image.blobs[0]!.descriptor)).bytes();
    }
    expect(asked()).toBe(2);
    await shared.getManifest(app, v1, { fresh: true });
    expect(asked()).toBe(3);
    const bare = remote(server.host);
    for (let times = 0; times < 3; times += 1) await bare.getManifest(app, v1);
    expect(asked()).toBe(6);
    await bare.close();
    // Closing empties the cache, and the client can be used again.
    await shared.close();
    await shared.getManifest(app, v1);
    expect(asked()).toBe(7);
    await shared.close();
  });

  test("User-Agent is gantry/VERSION on every request, also for tokens and redirects, and can be extended", async () => {
    const server = await listening((request, response) => {
      const url = new URL(request.url!, "http://x");
      if (url.pathname === "/token") return answer(response, 200, { token: "t" });
      if (url.pathname === "/v2/") return answer(response, 200, {});
      if (!request.headers.authorization && url.pathname !== "/elsewhere") {
        return answer(response, 401, "", { "www-authenticate": `Bearer realm="http://${request.headers.host}/token"` });
      }
      if (url.pathname !== "/elsewhere") return answer(response, 307, "", { location: "/elsewhere" });
      answer(response, 404);
    });
    const registry = remote(server.host, { userAgent: "mytool/2", backoff: 1 });
    await rejects(registry.getManifest(app, v1), "MANIFEST_UNKNOWN");
    await registry.close();
    expect(server.seen.map(({ url }) => url!.replace(/\?.*/, ""))).toEqual(
      expect.arrayContaining(["/token", "/elsewhere"]),
    );
    for (const { headers } of server.seen) expect(headers["user-agent"]).toMatch(/^gantry\/\d+\.\d+\.\d+ mytool\/2$/);
  });

  test("reads go to the proxy of Docker Hub, without the Hub's password, and its 404 is final; an invalid proxy is an error each time", async () => {
    await using proxy = await startTestRegistry();
    const image = randomImage();
    await pushImage(proxy.registry, "library/app", image, "v1");
    const asked: string[] = [];
    const credentials = {
      async find(host: string) {
        asked.push(host);
        return undefined;
      },
    };
    vi.stubEnv("DOCKERHUB_PUBLIC_PROXY", `http://${proxy.host}`);
    const hub = client("docker.io", { credentials, backoff: 1 });
    expect(client("index.docker.io", { credentials, backoff: 1 })).toBe(hub);
    const repo = parseRepoName("library/app");
    expect((await hub.getManifest(repo, v1)).descriptor.digest).toBe(image.descriptor.digest);
    const tags: string[] = [];
    for await (const tag of hub.tags(repo)) tags.push(tag);
    expect(tags).toEqual(["v1"]);
    await rejects(hub.getManifest(repo, parseTag("absent")), "MANIFEST_UNKNOWN");
    expect(asked.filter((host) => host === "docker.io")).toEqual([]);
    await hub.close();
    for (const value of ["proxy.example", "ftp://proxy.example", "https://proxy.example/path"]) {
      vi.stubEnv("DOCKERHUB_PUBLIC_PROXY", value);
      for (let times = 0; times < 2; times += 1) {
        expect(() => client("docker.io")).toThrow(expect.objectContaining({ code: "CONFIG_INVALID" }));
      }
      expect(client("ghcr.io")).toBeDefined();
    }
    vi.unstubAllEnvs();
    expect(client("docker.io", { credentials, backoff: 1 })).not.toBe(hub);
  });
});

test("a closed registry leaves no connection to its server", async () => {
  await using server = await startTestRegistry();
  await pushImage(server.registry, "app", randomImage(), "v1");
  const registry = remote(server.host);
  await registry.getManifest(app, v1);
  await registry.close();
  while ((await server.connections()) > 0) await new Promise((next) => setTimeout(next, 5));
});

test("a host that no URL can have is refused by name", async () => {
  await rejects(() => remote("999.1.1.1").getManifest(app, v1), "INVALID_REFERENCE");
});
