import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { isAbandoned, isTemporaryName } from "./owner.ts";

/**
 * Removes what killed processes left in a directory under temporary names. What cannot be removed stays for the next
 * process: it is in the way of nothing.
 * @param names what the temporary names may be for. Default: anything
 */
export async function removeAbandoned(directory: string, names?: readonly string[]): Promise<void> {
  for (const entry of await readdir(directory).catch(() => [])) {
    const path = join(directory, entry);
    if (names && !names.some((name) => isTemporaryName(entry, name))) continue;
    if (!isAbandoned(path)) continue;
    await rm(path, { force: true }).catch(() => {});
  }
}
