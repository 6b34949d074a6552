import { renameSync, rmSync, writeFileSync } from "node:fs";
import { open, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { temporaryName } from "./process-owner.ts";

export interface ReplaceFileOptions {
  /** Before the umask. Default: 0600. */
  readonly mode?: number | undefined;
  /** Wait until the disk has the bytes and the new name (fdatasync, fsync of the directory). Default: no. */
  readonly sync?: boolean | undefined;
  /** Called when the new file is written, before it replaces the old one; if it throws, the old one stays. */
  readonly beforeRename?: (() => Promise<void>) | undefined;
}

const temporaryFor = (path: string): string => join(dirname(path), temporaryName(basename(path)));

/**
 * Creates a small file, replacing an existing one: readers see the old bytes or the new ones, never a part. A killed
 * process may leave a file with a {@link temporaryName}.
 * @throws errors of the file system; the temporary file is removed then
 */
export async function replaceFile(
  path: string,
  bytes: string | Uint8Array,
  { mode = 0o600, sync = false, beforeRename }: ReplaceFileOptions = {},
): Promise<void> {
  const temporary = temporaryFor(path);
  try {
    const file = await open(temporary, "wx", mode);
    try {
      await file.writeFile(bytes);
      if (sync) await file.datasync();
    } finally {
      await file.close();
    }
    await beforeRename?.();
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {});
    throw error;
  }
  if (sync) await syncDirectory(dirname(path));
}

/** As {@link replaceFile}, without waiting for the disk. */
export function replaceFileSync(path: string, bytes: string | Uint8Array, { mode = 0o600 } = {}): void {
  const temporary = temporaryFor(path);
  try {
    writeFileSync(temporary, bytes, { mode, flag: "wx" });
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

/** Makes new names in a directory survive a power cut. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, "r");
  await directory.sync().finally(() => directory.close());
}
