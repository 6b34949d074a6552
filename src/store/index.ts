export type { ImageStore, StoredImage } from "./images.ts";
export type { Lease } from "./leases.ts";
export { defaultStoreDirectory, Store, type StoreOptions } from "./store.ts";
