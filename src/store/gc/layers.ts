import { lstatSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { errnoOf } from "../../base/error.ts";
import { requireDirectory } from "../../sys/in-place.ts";

/**
 * The extracted layers of a store: `ALGORITHM/HEX` of a diffID or chainID.
 * @throws NOT_REGULAR_FILE for a symbolic link
 */
export function layerNames(directory: string): string[] {
  const root = join(directory, "layers");
  return list(root).flatMap((algorithm) => {
    if (lstatSync(join(root, algorithm)).isSymbolicLink()) requireDirectory(join(root, algorithm));
    return list(join(root, algorithm)).map((name) => `${algorithm}/${name}`);
  });
}

function list(path: string): string[] {
  try {
    return readdirSync(path);
  } catch (error) {
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR") return [];
    throw error;
  }
}
