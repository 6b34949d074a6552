export { LayoutRegistry, type LayoutOptions } from "./layout/layout.ts";
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
export { RemoteRegistry, type RemoteOptions } from "./remote/remote.ts";
