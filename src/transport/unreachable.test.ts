import dns from "node:dns";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { freePort } from "../../test/support/peers.ts";
import type { ProgressEvent } from "../base/progress.ts";
import { parseRepoName, parseTag } from "../reference/index.ts";
import { ClientSession, MemoryRegistry, type RemoteOptions, RemoteRegistry } from "../registry/index.ts";
import { pushImage, randomImage, rejects } from "../testing/index.ts";
import { copyImage } from "../transfer/index.ts";

const app = parseRepoName("app");
const v1 = parseTag("v1");

afterEach(() => vi.restoreAllMocks());

/** Answers every lookup of a name: `failures` times with an error, then with this machine. */
function resolver(code: string, failures = Number.POSITIVE_INFINITY) {
  let asked = 0;
  const lookup = (name: string, _options: unknown, callback: (error: Error | null, found?: unknown) => void): void => {
    asked += 1;
    if (asked <= failures) callback(Object.assign(new Error(`getaddrinfo ${code} ${name}`), { code }));
    else callback(null, [{ address: "127.0.0.1", family: 4 }]);
  };
  vi.spyOn(dns, "lookup").mockImplementation(lookup as never);
  return { asked: () => asked };
}

/** A new client, and the warnings that it gives. */
function client(host: string, options: RemoteOptions = {}): { registry: RemoteRegistry; warnings: string[] } {
  const warnings: string[] = [];
  const progress = (event: ProgressEvent): void => {
    if (event.type === "message") warnings.push(event.text);
  };
  const registry = new RemoteRegistry(host, {
    session: new ClientSession(),
    progress,
    proxy: () => undefined,
    ...options,
  });
  onTestFinished(() => registry.close());
  return { registry, warnings };
}

describe("a registry that cannot be reached", () => {
  test.each(["ENOTFOUND", "EAI_AGAIN"])(
    "is retried once, soon, when the lookup of its name ends with %s",
    async (code) => {
      const names = resolver(code);
      const { registry, warnings } = client("registry.example");
      const asked = registry.getManifest(app, v1);
      await rejects(asked, "CONNECTION_FAILED");
      await expect(asked).rejects.toThrow(/check/);
      expect(names.asked()).toBe(2);
      expect(warnings).toEqual([expect.stringMatching(/registry\.example.*; retrying once in 0\.[0-2] s$/)]);
    },
  );

  test("is retried once, soon, when nothing listens at its port", async () => {
    const { registry, warnings } = client(`127.0.0.1:${await freePort()}`);
    await rejects(registry.getManifest(app, v1), "CONNECTION_FAILED");
    expect(warnings).toEqual([expect.stringMatching(/; retrying once in 0\.[0-2] s$/)]);
  });

  test("is used when the second try reaches it", async () => {
    const server = createServer((_request, response) => response.writeHead(404).end());
    await new Promise<void>((listens) => server.listen(0, "127.0.0.1", listens));
    onTestFinished(() => void server.close());
    const names = resolver("EAI_AGAIN", 1);
    const endpoint = new URL(`http://registry.example:${(server.address() as AddressInfo).port}/v2/`);
    const { registry } = client("registry.example", { endpoint });
    await rejects(registry.getManifest(app, v1), "MANIFEST_UNKNOWN");
    expect(names.asked()).toBe(2);
  });

  test.each(["name", "port"])(
    "ends a copy at its first failure: one warning, not one for each blob (%s)",
    async (by) => {
      const host = by === "name" ? "registry.example" : `127.0.0.1:${await freePort()}`;
      const names = resolver("ENOTFOUND");
      const source = new MemoryRegistry();
      const sizes = Array.from({ length: 12 }, (_, at) => 1_000 + at);
      await pushImage(source, app, randomImage({ sizes }), "v1");
      const { registry, warnings } = client(host);
      const copying = copyImage(
        { registry: source, repo: app, reference: v1, name: "source" },
        { registry, repo: app, reference: v1, name: "destination" },
        { parallel: 3 },
      );
      await expect(copying).rejects.toMatchObject({ code: "CONNECTION_FAILED", origin: "destination" });
      expect(warnings.length).toBe(1);
      // Three blobs at once, each tried twice at most. No lookup was made for the other nine.
      if (by === "name") expect(names.asked()).toBeLessThanOrEqual(6);
    },
  );
});
