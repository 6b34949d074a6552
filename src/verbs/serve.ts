import { GantryError } from "../base/error.ts";
import { MemoryRegistry } from "../registry/memory/memory.ts";
import type { Registry } from "../registry/registry.ts";
import { ServedLayout } from "../store/repositories/layout.ts";
import { layoutPrefix, storePrefix } from "./location.ts";
import { holdStore, type VerbOptions } from "./options.ts";

export type ServedOptions = Pick<VerbOptions, "store" | "limits">;

/** A registry to be served. Close the server first. */
export interface Served extends AsyncDisposable {
  readonly registry: Registry;
  close(): Promise<void>;
}

/**
 * Opens a layout with all its repositories (`oci:DIR`), the store (`store:`) or an empty registry (`memory:`) to be
 * served.
 * @throws USAGE for anything else
 */
export async function openServed(location: string, options: ServedOptions = {}): Promise<Served> {
  if (location === storePrefix) {
    const held = holdStore(options);
    const registry = await held.store.serve();
    await registry.ready();
    return served(registry, async () => {
      await registry.close();
      await held.close();
    });
  }
  const registry = await withoutStore(location, options);
  return served(registry, () => registry.close());
}

async function withoutStore(location: string, { limits }: ServedOptions): Promise<Registry> {
  if (location.startsWith(layoutPrefix) && location !== layoutPrefix) {
    const layout = new ServedLayout(location.slice(layoutPrefix.length), { limits });
    await layout.ready();
    return layout;
  }
  if (location === "memory:") return new MemoryRegistry();
  throw new GantryError("USAGE", `cannot serve ${location}; expected oci:DIR, store: or memory:`);
}

const served = (registry: Registry, close: () => Promise<void>): Served => ({
  registry,
  close,
  [Symbol.asyncDispose]: close,
});
