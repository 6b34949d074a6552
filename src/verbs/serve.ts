import { GantryError } from "../base/error.ts";
import { LayoutRegistry } from "../registry/layout/layout.ts";
import { MemoryRegistry } from "../registry/memory/memory.ts";
import type { Registry } from "../registry/registry.ts";
import { Store, type StoreOptions } from "../store/store.ts";

export interface ServedOptions extends StoreOptions {
  /** The directory of the store. Default: that of the user. */
  readonly store?: string;
}

/**
 * What a server can be put in front of: a layout with all its repositories, the store, or nothing but memory.
 * @throws USAGE
 */
export function openServed(location: string, options: ServedOptions = {}): Registry {
  if (location.startsWith("oci:") && location.length > 4)
    return new LayoutRegistry(location.slice(4), { create: true });
  if (location === "store:") return new Store(options.store, options).writer("serve", { endless: true });
  if (location === "memory:") return new MemoryRegistry();
  throw new GantryError("USAGE", `cannot serve ${location}; expected oci:DIR, store: or memory:`);
}
