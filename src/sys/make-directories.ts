import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { errnoOf } from "../base/error.ts";

/**
 * Makes a directory and those above it that are missing. Unlike Node's `recursive`, it throws what the file system said:
 * on a read-only one that is EROFS, where Node says that the parent does not exist.
 */
export async function makeDirectories(path: string, mode?: number): Promise<void> {
  try {
    await mkdir(path, { mode });
  } catch (error) {
    if (errnoOf(error) === "EEXIST") return;
    if (errnoOf(error) !== "ENOENT" || dirname(path) === path) throw error;
    await makeDirectories(dirname(path), mode);
    await mkdir(path, { mode }).catch((again: unknown) => {
      if (errnoOf(again) !== "EEXIST") throw again;
    });
  }
}
