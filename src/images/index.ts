export {
  childrenOf,
  type GraphOptions,
  isDocument,
  type ReadDocument,
  readConfig,
  readDocument,
  type SelectChildren,
  walkDocuments,
} from "./graph.ts";
export { formatPlatform, hostPlatform, normalizePlatform, parsePlatform, platformRank } from "./platform.ts";
export { type PlatformChoice, type ResolvedImage, resolveImage, selectManifest, selectManifests } from "./select.ts";
