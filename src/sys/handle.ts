import { constants, existsSync, type Stats } from "node:fs";
import { type FileHandle, lstat, open, realpath } from "node:fs/promises";
import { dirname } from "node:path";

/** Linux's O_PATH opens a directory without the permission to read it. Node has no constant for it. */
const O_PATH = 0o10000000;

let proc: boolean | undefined;

/** Whether paths can start at an open directory: Node has no openat, but Linux shows open files below /proc. */
export function canHoldDirectories(): boolean {
  proc ??= process.platform === "linux" && existsSync("/proc/self/fd");
  return proc;
}

/**
 * An open directory. Paths below `path` start at the open directory, so they stay in it even when it is renamed or a link
 * takes its place. If the system cannot do that, or with `plain`, `path` is the plain path.
 */
export class DirectoryHandle {
  /** The path of the open directory, for system calls on the entries below it. */
  readonly path: string;
  readonly #handle: FileHandle;

  private constructor(path: string, handle: FileHandle) {
    this.path = path;
    this.#handle = handle;
  }

  /**
   * @param options.follow follow a link in the last component
   * @param options.plain use the plain path, because no other user can rename a directory of it
   */
  static async open(
    path: string,
    options: { readonly follow?: boolean | undefined; readonly plain?: boolean | undefined } = {},
  ): Promise<DirectoryHandle> {
    const access = process.platform === "linux" ? O_PATH : constants.O_RDONLY;
    const flags = access | (constants.O_DIRECTORY ?? 0) | (options.follow ? 0 : (constants.O_NOFOLLOW ?? 0));
    const handle = await open(path, flags);
    const through = canHoldDirectories() && !options.plain;
    return new DirectoryHandle(through ? `/proc/self/fd/${handle.fd}` : path, handle);
  }

  stat(): Promise<Stats> {
    return this.#handle.stat();
  }

  /** The path of the directory itself, for calls that do not follow a link in the last component. */
  get self(): string {
    return `${this.path}/.`;
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}

/**
 * Whether another user could rename or replace a directory on the way to `path`, `path` itself included. A sticky
 * directory such as /tmp is safe: there only the owner of an entry can rename it.
 */
export async function othersCanReplace(path: string): Promise<boolean> {
  const user = process.geteuid?.();
  if (user === undefined) return false;
  for (let at = await realpath(path); ; at = dirname(at)) {
    const { mode, uid } = await lstat(at);
    const trusted = uid === user || uid === 0;
    if (!trusted || ((mode & 0o022) !== 0 && (mode & 0o1000) === 0)) return true;
    if (dirname(at) === at) return false;
  }
}
