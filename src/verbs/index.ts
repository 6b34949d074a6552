export { exitCodeOf, GantryError, isGantryError } from "../base/error.ts";
export type { OperationOptions, Progress, ProgressEvent } from "../base/progress.ts";
export { version } from "../base/version.ts";
export { Store } from "../store/store.ts";
export { type CopySide, type CopyVerbOptions, copy, type PushOptions, push } from "./copy.ts";
export { type ExplainedEndpoint, type ExplainOptions, type Explanation, explain } from "./explain.ts";
export { findImage, type ListedImage, labelImage, listImages, removeImages } from "./images.ts";
export {
  type ArtifactSummary,
  config,
  type ImageSummary,
  type Inspection,
  inspect,
  type LookOptions,
  manifest,
  resolve,
  tags,
} from "./inspect.ts";
export { type LoginOptions, type LoginResult, login, logout } from "./login.ts";
export { type Opened, type OpenOptions, open } from "./open.ts";
export type { RegistryOptions, VerbOptions } from "./options.ts";
export { type PullOptions, type PullResult, pull } from "./pull.ts";
export { blob, catalog, rateLimit, referrers, remove, tag } from "./repository.ts";
export { openServed, type Served, type ServedOptions } from "./serve.ts";
export { type NameOrder, sortNames } from "./sort.ts";
export { type PullPolicy, type UnpackResult, type UnpackVerbOptions, unpack } from "./unpack.ts";
