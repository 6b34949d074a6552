import { readdir, rm, stat } from "node:fs/promises";
import { homedir, hostname } from "node:os";
import { isAbsolute, join } from "node:path";
import { digestOf, hexOf } from "../../spec/digest.ts";
import { makeDirectories } from "../../sys/make-directories.ts";
import { readSmallFile } from "../../sys/regular-file.ts";
import { replaceFile } from "../../sys/replace-file.ts";

/** How long an upload is remembered, in milliseconds. */
const KEEP_MS = 24 * 60 * 60 * 1000;
/** The most bytes of an entry: a location is no longer than the headers of an answer. */
const MAX_ENTRY = 256 << 10;

/** Remembers the locations of unfinished uploads. A key names an origin, a repository and a blob. */
export interface UploadMemory {
  /** The remembered location, unless another process uses the upload. */
  load(key: string): Promise<string | undefined>;
  save(key: string, location: string): Promise<void>;
  forget(key: string): Promise<void>;
  /** Claims a key for one push, until the returned function is called; undefined where it is claimed already. */
  claim(key: string): (() => void) | undefined;
}

interface Entry {
  readonly key: string;
  readonly location: string;
  readonly pid: number;
  readonly host: string;
}

/** Uploads remembered in the user's state directory: `$XDG_STATE_HOME/gantry/uploads`, else below `~/.local/state`. */
export function userUploads(env: NodeJS.ProcessEnv = process.env): UploadMemory {
  const state = env["XDG_STATE_HOME"];
  const base = state && isAbsolute(state) ? state : join(homedir(), ".local", "state");
  return fileUploads(join(base, "gantry", "uploads"));
}

/**
 * Uploads remembered for a day, as files of a directory. The files are for their owner alone, since a location gives
 * access to the upload. Errors are ignored: where the directory cannot be written, nothing is remembered.
 */
export function fileUploads(directory: string): UploadMemory {
  const claimed = new Set<string>();
  const pathOf = (key: string): string => join(directory, `${hexOf(digestOf(key))}.json`);
  return {
    async load(key) {
      const path = pathOf(key);
      try {
        const { mtimeMs } = await stat(path);
        const entry = JSON.parse(String(await readSmallFile(path, { limit: MAX_ENTRY }))) as Entry;
        const fresh = Date.now() - mtimeMs < KEEP_MS && entry.key === key && URL.canParse(entry.location);
        return fresh && !isInUse(entry) ? entry.location : undefined;
      } catch {
        return undefined;
      }
    },
    async save(key, location) {
      const entry: Entry = { key, location, pid: process.pid, host: hostname() };
      try {
        await makeDirectories(directory, 0o700);
        await replaceFile(pathOf(key), JSON.stringify(entry));
      } catch {
        // The push works without the entry.
      }
    },
    async forget(key) {
      await rm(pathOf(key), { force: true }).catch(() => {});
      await removeOld(directory);
    },
    claim(key) {
      if (claimed.has(key)) return undefined;
      claimed.add(key);
      return () => void claimed.delete(key);
    },
  };
}

/**
 * Whether an entry was written by another process that still runs. The check only saves work: two processes that share
 * an upload fail and start again.
 */
function isInUse({ pid, host }: Entry): boolean {
  if (host !== hostname() || pid === process.pid) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** Removes old entries, and the temporary files of processes that were killed long ago. */
async function removeOld(directory: string): Promise<void> {
  for (const name of await readdir(directory).catch(() => [])) {
    const path = join(directory, name);
    const found = await stat(path).catch(() => undefined);
    if (found && Date.now() - found.mtimeMs > KEEP_MS) await rm(path, { force: true }).catch(() => {});
  }
}
