export type { Rate, RateLimit, RateLimiter } from "../transport/rate.ts";
export type { ClientCertificate } from "../transport/tls.ts";
export type { BlobVerifier } from "./blob-verifier.ts";
export { registryCache } from "./cache/cache.ts";
export type { RegistryCacheOptions } from "./cache/entries.ts";
export { type ClientOptions, client, remote } from "./client.ts";
export { completeRegistry, type RegistryParts } from "./complete.ts";
export { expectedOf } from "./expected.ts";
export { ImageReader } from "./image-reader.ts";
export { type LayoutOptions, LayoutRegistry } from "./layout/layout.ts";
export { MemoryRegistry } from "./memory/memory.ts";
export { providerOf } from "./provider.ts";
export { blobUnknown, manifestUnknown, rangeInvalid, unsupported } from "./refusals.ts";
export type {
  BlobUpload,
  ByteRange,
  CallOptions,
  GetBlobOptions,
  ListOptions,
  OpenUploadOptions,
  PushBlobOptions,
  PushManifestOptions,
  RangeContent,
  ReferrersOptions,
  Registry,
  RegistryDeleter,
  RegistryLister,
  RegistryReader,
  RegistryWriter,
  StoredManifest,
  UploadSession,
} from "./registry.ts";
export type { RemoteOptions } from "./remote/options.ts";
export { RemoteRegistry } from "./remote/remote.ts";
export { fileUploads, type UploadMemory, userUploads } from "./remote/upload-memory.ts";
export type { ConnectOptions, RoutedOptions } from "./routed/options.ts";
export { connect, RoutedRegistry } from "./routed/routed.ts";
export { ClientSession } from "./session.ts";
