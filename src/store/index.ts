export type { Advice } from "./advice.ts";
export { defaultStoreDirectory } from "./directory.ts";
export { type Filter, type Operator, parseFilter, type Selector } from "./filters.ts";
export type { Finding, FsckOptions, FsckReport } from "./fsck.ts";
export type { GcOptions, GcReport } from "./gc/collect.ts";
export type { ImageCheck, MissingBlob, StoreImage } from "./image.ts";
export {
  type FieldPath,
  type ImageRecord,
  type ImageStore,
  parseNamespace,
  type StoredImage,
} from "./images.ts";
export type { Lease } from "./leases.ts";
export type { Presence } from "./presence.ts";
export type { GivenName, StoreRegistry } from "./registry.ts";
export { ServedLayout, type ServedLayoutOptions } from "./repositories/layout.ts";
export { RepositoryRegistry } from "./repositories/registry.ts";
export { Store, type StoreOptions, type WriterOptions } from "./store.ts";
