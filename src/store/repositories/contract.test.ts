import { join } from "node:path";
import { describe, test } from "vitest";
import { temporary } from "../../../test/support/temporary.ts";
import type { Registry } from "../../registry/index.ts";
import { RemoteRegistry } from "../../registry/remote/remote.ts";
import { type RegistryCapabilities, registryContract, startTestRegistry, withoutLeaks } from "../../testing/index.ts";
import { Store } from "../store.ts";
import { ServedLayout } from "./layout.ts";

function contract(name: string, make: () => Promise<Registry>, capabilities?: RegistryCapabilities): void {
  describe(name, () => {
    for (const { name, run } of registryContract(capabilities)) {
      test(name, () =>
        withoutLeaks(async () => {
          const registry = await make();
          try {
            await run(registry);
          } finally {
            await registry.close();
          }
        }),
      );
      test(`${name}, over remote -> server`, () =>
        withoutLeaks(async () => {
          const back = await make();
          const server = await startTestRegistry({ registry: back });
          const registry = new RemoteRegistry(server.host, { backoff: 1 });
          try {
            await run(registry);
          } finally {
            await registry.close();
            await server.close();
            await back.close();
          }
        }));
    }
  });
}

async function servedStore(): Promise<Registry> {
  const store = new Store(join(await temporary(), "store"));
  const registry = await store.serve();
  const close = registry.close.bind(registry);
  registry.close = async () => {
    await close();
    await store.close();
  };
  return registry;
}

// This test is first, so that handles that the first database opens do not count as leaks of the first case.
test("a store that was never written to serves no repositories", async () => {
  const store = await servedStore();
  for await (const repo of store.repositories()) throw new Error(repo);
  await store.close();
});
contract("served store", servedStore, { prefix: "docker.io/" });
contract("served layout", async () => new ServedLayout(join(await temporary(), "layout")));
