import { type BigIntStats, existsSync, lstatSync, mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { version } from "../base/version.ts";
import { requireDirectory } from "../sys/in-place.ts";
import { readSmallFileSync } from "../sys/regular-file.ts";
import { replaceFileSync } from "../sys/replace-file.ts";

/** Two changes within this time may leave the same timestamp: some file systems count whole seconds. Milliseconds. */
const SETTLED_MS = 2_500;
/** The longest kept text that is read. Bytes. */
const MAX_KEPT = 64 << 20;

/** A stamp that changes with the files. It is `settled` where each later change will show: no file has just changed. */
function stampOf(files: readonly string[]): { text: string; settled: boolean } {
  const parts = [version];
  let settled = true;
  for (const file of files) {
    const found: BigIntStats | undefined = lstatSync(file, { bigint: true, throwIfNoEntry: false });
    // An empty file counts as missing: SQLite creates an empty log when it opens a database, and removes it on close.
    parts.push(found && found.size > 0n ? `${found.ino}.${found.size}.${found.mtimeNs}` : "-");
    if (found && Date.now() - Number(found.mtimeMs) < SETTLED_MS) settled = false;
  }
  return { text: parts.join(" "), settled };
}

/**
 * A cache of text that is derived only from files, or from the listings of directories. A file keeps the text until
 * they change. Where the text cannot be kept or read, the caller derives it again.
 */
export class Derived {
  readonly #path: string;
  readonly #files: readonly string[];
  readonly #stamp: { readonly text: string; readonly settled: boolean };

  /** Call this before reading the files. */
  constructor(path: string, files: readonly string[]) {
    this.#path = path;
    this.#files = files;
    this.#stamp = stampOf(files);
  }

  /** The kept text, if no file has changed since. */
  read(): string | undefined {
    try {
      requireDirectory(dirname(this.#path));
      const text = readSmallFileSync(this.#path, { limit: MAX_KEPT })?.toString("utf8");
      const { text: stamp } = this.#stamp;
      return text?.startsWith(`${stamp}\n`) ? text.slice(stamp.length + 1) : undefined;
    } catch {
      return undefined;
    }
  }

  /** Keeps the text, unless a file has changed since the constructor ran, or just before. */
  keep(text: string): void {
    const { text: stamp, settled } = this.#stamp;
    if (settled && stampOf(this.#files).text === stamp) write(this.#path, `${stamp}\n${text}`);
  }
}

function write(path: string, text: string): void {
  try {
    requireDirectory(dirname(path));
    // Not recursive: reading a missing store must not create it.
    if (!existsSync(dirname(path))) mkdirSync(dirname(path), { mode: 0o700 });
    replaceFileSync(path, text);
  } catch {
    // The next caller derives the text again.
  }
}
