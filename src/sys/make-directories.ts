import { mkdir, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { errnoOf } from "../base/error.ts";

/**
 * Creates a directory and the missing ones above it. Node's `recursive` is not used: it never ends below /proc, and on a
 * read-only file system it says that the parent does not exist.
 * @returns the topmost directory that was created; undefined if the directory existed
 * @throws what the file system throws; EEXIST if the path exists and is no directory
 */
export async function makeDirectories(path: string, mode?: number): Promise<string | undefined> {
  const make = async (): Promise<string | undefined> => {
    try {
      await mkdir(path, { mode });
      return path;
    } catch (error) {
      if (errnoOf(error) === "EEXIST" && (await stat(path)).isDirectory()) return undefined;
      throw error;
    }
  };
  try {
    return await make();
  } catch (error) {
    if (errnoOf(error) !== "ENOENT" || dirname(path) === path) throw error;
    const first = await makeDirectories(dirname(path), mode);
    const own = await make();
    return first ?? own;
  }
}
