export { type CopyOptions, type CopyResult, copyImage, type ImageLocation } from "./copy.ts";
