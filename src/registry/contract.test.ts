import { join } from "node:path";
import { describe, test } from "vitest";
import { temporary } from "../../test/support/temporary.ts";
import { directEndpoint, type RouteSource } from "../config/routes.ts";
import {
  type RegistryCapabilities,
  registryContract,
  startTestRegistry,
  type TestRegistryOptions,
  withoutLeaks,
} from "../testing/index.ts";
import { registryCache } from "./cache/cache.ts";
import { LayoutRegistry } from "./layout/layout.ts";
import { MemoryRegistry } from "./memory/memory.ts";
import type { Registry } from "./registry.ts";
import { RemoteRegistry } from "./remote/remote.ts";
import { RoutedRegistry } from "./routed/routed.ts";

/** Makes a registry for one case, with a function that closes the servers and registries behind it. */
type Make = () => Promise<{ registry: Registry; close?: (() => Promise<void>) | undefined }>;

function contract(name: string, make: Make, capabilities?: RegistryCapabilities): void {
  describe(name, () => {
    for (const { name, run } of registryContract(capabilities)) {
      test(name, () =>
        withoutLeaks(async () => {
          const { registry, close } = await make();
          try {
            await run(registry);
          } finally {
            await registry.close();
            await close?.();
          }
        }),
      );
    }
  });
}

const remoteTo =
  (options: TestRegistryOptions, behind?: () => Promise<Registry>): Make =>
  async () => {
    const back = await behind?.();
    const server = await startTestRegistry({ ...options, registry: back ?? options.registry });
    return {
      registry: new RemoteRegistry(server.host, { backoff: 1 }),
      async close() {
        await server.close();
        await back?.close();
      },
    };
  };

const layout = async (): Promise<Registry> => new LayoutRegistry(join(await temporary(), "layout"), { create: true });

contract("memory", async () => ({ registry: new MemoryRegistry() }));
contract("layout", async () => ({ registry: await layout() }), { isolated: false });
contract("remote -> server -> memory", remoteTo({}));
contract("remote -> server -> layout", remoteTo({}, layout), { isolated: false });
contract("cache -> memory", async () => ({ registry: registryCache(new MemoryRegistry()) }));
contract(
  "cache -> remote -> server -> cache -> layout",
  async () => {
    const back = registryCache(await layout());
    const { registry, close } = await remoteTo({}, async () => back)();
    return { registry: registryCache(registry), close };
  },
  { isolated: false },
);
contract("remote -> server with absolute Locations", remoteTo({ faults: [{ on: { kind: "absoluteLocation" } }] }));
contract(
  "remote -> server that breaks every blob once",
  remoteTo({ faults: [{ on: { kind: "cut", after: 1000 }, method: "GET", path: /\/blobs\//, times: 1 }] }),
);
contract("routed, past a mirror that is down -> server -> memory", async () => {
  const server = await startTestRegistry();
  const routes: RouteSource = {
    routes: async (_host, repo) => ({
      endpoints: [
        { ...directEndpoint("127.0.0.1:1", repo), mirror: true, capabilities: ["pull", "resolve", "referrers"] },
        directEndpoint(server.host, repo),
      ],
    }),
  };
  return {
    registry: new RoutedRegistry(server.host, { routes, backoff: 1, attempts: 1 }),
    close: () => server.close(),
  };
});
contract("remote -> server -> remote -> server -> memory: a proxy", async () => {
  const back = await startTestRegistry();
  const front = await startTestRegistry({ registry: new RemoteRegistry(back.host, { backoff: 1 }) });
  return {
    registry: new RemoteRegistry(front.host, { backoff: 1 }),
    async close() {
      await front.close();
      await front.registry.close();
      await back.close();
    },
  };
});
