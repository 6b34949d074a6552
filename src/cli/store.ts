import type { Limits } from "../base/limits.ts";
import { Store } from "../store/store.ts";
import { type StoreFlags, storeOptions } from "./flags.ts";

/** Runs a command's work on the store that its flags mean, and closes it. */
export async function withStore<T>(
  flags: StoreFlags,
  work: (store: Store) => Promise<T>,
  options: { readonly limits?: Limits } = {},
): Promise<T> {
  const store = new Store(flags.store, { ...storeOptions(flags), ...options });
  try {
    return await work(store);
  } finally {
    await store.close();
  }
}
