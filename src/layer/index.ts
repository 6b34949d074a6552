export { TreeApplier } from "./apply.ts";
export type { ApplyReport } from "./report.ts";
export { type ImageSource, type UnpackOptions, unpackImage } from "./unpack.ts";
export { parseWhiteout, type Whiteout } from "./whiteout.ts";
