import { randomUUID } from "node:crypto";
import { lstat, rm, rmdir, utimes } from "node:fs/promises";
import { join } from "node:path";
import { Once } from "../base/once.ts";
import { fileSystemError } from "../sys/fs-error.ts";
import { requireDirectory } from "../sys/in-place.ts";
import { STALE_MS } from "../sys/lock.ts";
import { makeDirectories } from "../sys/make-directories.ts";
import { SESSION_PREFIX } from "./partials.ts";

/**
 * This process's own directory below `tmp/`, created for the first file. A heartbeat touches it: other processes remove
 * a session that was not touched for 30 s.
 */
export class Session {
  readonly #tmp: string;
  readonly #onStart: (directory: string) => Promise<void>;
  readonly #directory = new Once(() => this.#start());
  #heartbeat: NodeJS.Timeout | undefined;
  #madeTmp = false;

  constructor(tmp: string, onStart: (directory: string) => Promise<void>) {
    this.#tmp = tmp;
    this.#onStart = onStart;
  }

  /** The path of a new file in this session. */
  async path(name: string): Promise<string> {
    const directory = await this.#directory.get();
    // If this machine slept, another process may have removed the session as stale.
    if (await lstat(directory).catch(() => undefined)) return join(directory, name);
    clearInterval(this.#heartbeat);
    this.#directory.reset();
    return join(await this.#directory.get(), name);
  }

  async #start(): Promise<string> {
    const directory = join(this.#tmp, `${SESSION_PREFIX}${randomUUID()}`);
    requireDirectory(this.#tmp);
    try {
      const first = await makeDirectories(directory, 0o700);
      this.#madeTmp ||= first !== undefined && first !== directory;
    } catch (error) {
      throw await fileSystemError(error, "creating", directory);
    }
    this.#heartbeat = setInterval(() => {
      const now = new Date();
      utimes(directory, now, now).catch(() => {});
    }, STALE_MS / 6).unref();
    await this.#onStart(directory);
    return directory;
  }

  /** Removes the session's directory. The next file starts a new one. */
  async close(): Promise<void> {
    const directory = await this.#directory.value?.catch(() => undefined);
    this.#directory.reset();
    clearInterval(this.#heartbeat);
    if (!directory) return;
    await rm(directory, { recursive: true, force: true });
    // Other processes may have sessions in tmp/; an empty one that we created is removed.
    if (this.#madeTmp) await rmdir(this.#tmp).catch(() => {});
  }
}
