import type { Stats } from "node:fs";
import { lstat, open, rm, utimes } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { sleep } from "../base/async.ts";
import { errnoOf, GantryError, isGantryError } from "../base/error.ts";
import { fileSystemError } from "./fs-error.ts";
import { isAbandoned, temporaryName } from "./process-owner.ts";
import { readSmallFile } from "./regular-file.ts";

/** A lock that its holder has not touched for this long is stale. */
export const STALE_MS = 30_000;
const HEARTBEAT_MS = 5_000;
const WAIT_MS = 60_000;
const MAX_OWNER = 1 << 10;

export interface LockOptions {
  readonly signal?: AbortSignal | undefined;
  readonly staleMs?: number | undefined;
  readonly waitMs?: number | undefined;
}

/** Given to the work under a lock. Call `check` right before a step that must not happen without the lock. */
export interface Lock {
  /** @throws LOCK_LOST if another process took the lock over because this process slept too long */
  check(): Promise<void>;
}

/**
 * Runs `work` while this process holds the lock of a path; one process holds it at a time. Node has no flock: the lock is
 * a file created with O_EXCL, which its holder touches. A lock file is taken over if it was not touched for `staleMs`, or
 * at once if its process is known to be dead.
 * @throws LOCK_TIMEOUT, LOCK_LOST, NOT_REGULAR_FILE if the path is not a regular file, the signal's reason
 */
export async function withLock<T>(
  path: string,
  work: (lock: Lock) => Promise<T>,
  options: LockOptions = {},
): Promise<T> {
  const owner = temporaryName("lock");
  await acquire(path, owner, options);
  const heartbeat = setInterval(() => {
    const now = new Date();
    utimes(path, now, now).catch(() => {});
  }, HEARTBEAT_MS).unref();
  const held = async (): Promise<boolean> => (await readOwner(path)) === owner;
  try {
    return await work({
      async check() {
        if (await held()) return;
        throw new GantryError("LOCK_LOST", `the lock ${path} was taken over by another process; run the command again`);
      },
    });
  } finally {
    clearInterval(heartbeat);
    if (await held()) await rm(path, { force: true });
  }
}

/** The name that the holder wrote into the lock file; undefined if the file is missing or gantry did not write it. */
async function readOwner(path: string): Promise<string | undefined> {
  try {
    return (await readSmallFile(path, { limit: MAX_OWNER }))?.toString("utf8");
  } catch (error) {
    if (isGantryError(error, "NOT_REGULAR_FILE", "LIMIT_EXCEEDED")) return undefined;
    throw error;
  }
}

async function create(path: string, owner: string): Promise<boolean> {
  try {
    const file = await open(path, "wx", 0o600);
    try {
      await file.writeFile(owner);
    } catch (error) {
      // A lock without its owner's name would block every process until it is stale.
      await rm(path, { force: true });
      throw error;
    } finally {
      await file.close();
    }
    return true;
  } catch (error) {
    if (errnoOf(error) === "EEXIST") return false;
    throw await fileSystemError(error, "locking", path);
  }
}

async function acquire(path: string, owner: string, options: LockOptions): Promise<void> {
  const staleMs = options.staleMs ?? STALE_MS;
  const deadline = Date.now() + (options.waitMs ?? WAIT_MS);
  for (let pause = 2; !(await create(path, owner)); pause = Math.min(pause * 2, 100)) {
    options.signal?.throwIfAborted();
    if (await isStale(path, staleMs)) await removeStale(path, owner, staleMs);
    else if (Date.now() > deadline) {
      throw new GantryError(
        "LOCK_TIMEOUT",
        `waited ${Math.round((options.waitMs ?? WAIT_MS) / 1000)} s for the lock ${path}, which another process holds; try again when it is done`,
      );
    } else await sleep(pause * (0.5 + Math.random()), options.signal);
  }
}

/** @throws NOT_REGULAR_FILE for a path that is not a lock file: waiting does not help, and gantry must not remove it */
async function isStale(path: string, staleMs: number): Promise<boolean> {
  let found: Stats;
  try {
    found = await lstat(path);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return false;
    throw await fileSystemError(error, "locking", path);
  }
  if (found.isFile()) {
    if (Date.now() - found.mtimeMs > staleMs) return true;
    const owner = await readOwner(path);
    return owner !== undefined && isAbandoned(join(dirname(path), basename(owner)));
  }
  throw new GantryError(
    "NOT_REGULAR_FILE",
    `${path} must be a lock file or missing, but is neither; remove it when no other process uses its directory`,
    { details: { path } },
  );
}

/** Removes the lock file of a killed process, for paths that may never be locked again. */
export async function removeDeadLock(path: string): Promise<void> {
  if (await isStale(path, STALE_MS)) await removeStale(path, temporaryName("lock"), STALE_MS);
  const takeover = `${path}.takeover`;
  if (await isStale(takeover, STALE_MS)) await rm(takeover, { force: true });
}

/**
 * Only the holder of `path.takeover` may remove the lock of another process, and it checks again first. Otherwise a slow
 * second process could remove the new lock of the first one.
 */
async function removeStale(path: string, owner: string, staleMs: number): Promise<void> {
  const takeover = `${path}.takeover`;
  if (!(await create(takeover, owner))) {
    if (await isStale(takeover, staleMs)) await rm(takeover, { force: true });
    await sleep(20);
    return;
  }
  try {
    if (await isStale(path, staleMs)) await rm(path, { force: true });
  } finally {
    await rm(takeover, { force: true });
  }
}
