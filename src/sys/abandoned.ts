import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { isAbandoned, isTemporaryName } from "./process-owner.ts";

/**
 * Removes the temporary files of killed processes from a directory. A file that cannot be removed does no harm and stays.
 * @param names only temporary files that were to be renamed to one of these names. Default: all temporary files
 */
export async function removeAbandoned(directory: string, names?: readonly string[]): Promise<void> {
  for (const entry of await readdir(directory).catch(() => [])) {
    const path = join(directory, entry);
    if (names && !names.some((name) => isTemporaryName(entry, name))) continue;
    if (!isAbandoned(path)) continue;
    await rm(path, { force: true }).catch(() => {});
  }
}
