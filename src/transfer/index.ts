export { type BlobCounts, type CopyOptions, type CopyResult, copyImage } from "./copy.ts";
export type { ImageDestination } from "./destination.ts";
export { type Found, type LookupOptions, lookup, type Wanted } from "./lookup.ts";
export type { ImageSource } from "./plan.ts";
