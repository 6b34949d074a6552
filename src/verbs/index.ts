export { type ErrorCode, type ExitCode, exitCodes } from "../base/codes.ts";
export {
  type ErrorDetails,
  type ErrorRecord,
  exitCodeOf,
  GantryError,
  type GantryErrorOptions,
  isGantryError,
  type Origin,
} from "../base/error.ts";
export { defaultLimits, type LimitName, type Limits, parseLimits } from "../base/limits.ts";
export type { OperationOptions, Progress, ProgressEvent } from "../base/progress.ts";
export { version } from "../base/version.ts";
export type { PullPolicy } from "../puller/policy.ts";
export type { PullResult } from "../puller/pull.ts";
export { Store } from "../store/store.ts";
export { blob } from "./blob.ts";
export { type CopySide, type CopyVerbOptions, copy } from "./copy.ts";
export { type Explanation, explain } from "./explain.ts";
export type { ExplainedEndpoint, ExplainOptions } from "./explain-endpoint.ts";
export { findImage, type ListedImage, labelImage, listImages, removeImages } from "./images.ts";
export { type Inspection, inspect } from "./inspect.ts";
export type { Named } from "./layout-location.ts";
export { catalog, referrers, tags } from "./list.ts";
export {
  type LayoutLocation,
  type Location,
  type LocationOptions,
  parseLocation,
  type RegistryLocation,
  type StoreLocation,
} from "./location.ts";
export { type LoginOptions, type LoginResult, login, logout } from "./login.ts";
export { config, type LookOptions, manifest, resolve } from "./look.ts";
export {
  type Opened,
  type OpenedLayout,
  type OpenedRegistry,
  type OpenedStore,
  type OpenOptions,
  open,
} from "./open.ts";
export type { RegistryOptions, VerbOptions } from "./options.ts";
export { type PullOptions, pull } from "./pull.ts";
export { type PushOptions, push } from "./push.ts";
export { rateLimit } from "./rate-limit.ts";
export { remove } from "./remove.ts";
export { openServed, type Served, type ServedOptions } from "./serve.ts";
export { type NameOrder, sortNames } from "./sort.ts";
export type { ArtifactSummary, ImageSummary } from "./summary.ts";
export { tag } from "./tag.ts";
export { type UnpackResult, type UnpackVerbOptions, unpack } from "./unpack.ts";
