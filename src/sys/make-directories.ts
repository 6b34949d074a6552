import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { errnoOf } from "../base/error.ts";

/**
 * Creates a directory and the missing ones above it. Unlike Node's `recursive`, it throws the error of the file system:
 * EROFS on a read-only one, where Node says that the parent does not exist.
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
