export { type CopyOptions, type CopyResult, copyImage, type ImageLocation } from "./copy.ts";
export { type Found, type LookupOptions, lookup, type Wanted } from "./lookup.ts";
