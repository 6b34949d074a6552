export { TreeApplier } from "./apply.ts";
export type { ApplyReport } from "./pipeline.ts";
export { type ImageSource, type UnpackOptions, unpackImage } from "./unpack.ts";
export { parseWhiteout, type Whiteout } from "./whiteout.ts";
