export type { PathNode } from "../sys/resolve.ts";
export { type ApplyOptions, TreeApplier } from "./apply.ts";
export type { DirectoryMetadata } from "./directory.ts";
export { DirectoryTarget, type DirectoryTargetOptions } from "./directory-target.ts";
export type { ImageSource } from "./job.ts";
export type { ApplyReport } from "./pipeline.ts";
export type { LayerTarget } from "./target.ts";
export { type UnpackOptions, unpackImage } from "./unpack.ts";
export { parseWhiteout, type Whiteout } from "./whiteout.ts";
