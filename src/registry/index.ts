export { type RegistryCacheOptions, registryCache } from "./cache/cache.ts";
export { type LayoutOptions, LayoutRegistry } from "./layout/layout.ts";
export { MemoryRegistry } from "./memory/memory.ts";
export {
  type BlobUpload,
  blobUnknown,
  type CallOptions,
  expectedOf,
  manifestUnknown,
  type PushManifestOptions,
  providerOf,
  type RangeContent,
  type Registry,
  rangeInvalid,
  type StoredManifest,
  type UploadSession,
  unsupported,
} from "./registry.ts";
export { type RemoteOptions, RemoteRegistry } from "./remote/remote.ts";
