export { type ChildrenOptions, childrenHandler } from "./children.ts";
export {
  childrenOf,
  type GraphOptions,
  isDocument,
  type ReadDocument,
  readBlob,
  readConfig,
  readDocument,
} from "./graph.ts";
export {
  type DispatchOptions,
  dispatch,
  type Handler,
  type HandlerContext,
  handlers,
  SkipDesc,
  SkipSiblings,
  StopHandler,
  type WalkOptions,
  walk,
} from "./handlers.ts";
export { chainIDs, diffIDs } from "./identity.ts";
export { config, Image, type ImageOptions, rootFS, size } from "./image.ts";
export {
  formatFullPlatform,
  formatPlatform,
  hostPlatform,
  normalizePlatform,
  parsePlatform,
  platformRank,
} from "./platform.ts";
export {
  attestationsOf,
  isAttestation,
  manifestForPlatform,
  type PlatformChoice,
  PlatformSelection,
  platformsOf,
  type ResolvedImage,
  selectManifest,
} from "./select.ts";
