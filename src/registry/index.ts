export { type RegistryCacheOptions, registryCache } from "./cache/cache.ts";
export { type ClientOptions, client, remote } from "./client.ts";
export { ImageReader } from "./image-reader.ts";
export { type LayoutOptions, LayoutRegistry } from "./layout/layout.ts";
export { MemoryRegistry } from "./memory/memory.ts";
export {
  type BlobUpload,
  blobUnknown,
  type CallOptions,
  expectedOf,
  type GetBlobOptions,
  manifestUnknown,
  type PushBlobOptions,
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
export { fileUploads, type UploadMemory, userUploads } from "./remote/sessions.ts";
export { type ConnectOptions, connect, RoutedRegistry } from "./routed/routed.ts";
export { ClientSession } from "./session.ts";
