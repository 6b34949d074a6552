import { type BigIntStats, existsSync, lstatSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { version } from "../base/version.ts";
import { requireDirectory } from "../sys/in-place.ts";
import { temporaryName } from "../sys/owner.ts";
import { readSmallFileSync } from "../sys/regular-file.ts";

/** A change less than this old may be followed by another one that leaves the same time: some file systems count whole seconds. */
const SETTLED_MS = 2_500;
const MAX_KEPT = 64 << 20;

/** What files look like from outside; it changes with every change of theirs. Undefined where one has just changed. */
function stampOf(files: readonly string[]): { text: string; settled: boolean } {
  const parts = [version];
  let settled = true;
  for (const file of files) {
    const found: BigIntStats | undefined = lstatSync(file, { bigint: true, throwIfNoEntry: false });
    // SQLite makes an empty log when it opens a database, and takes it away when it closes it.
    parts.push(found && found.size > 0n ? `${found.ino}.${found.size}.${found.mtimeNs}` : "-");
    if (found && Date.now() - Number(found.mtimeMs) < SETTLED_MS) settled = false;
  }
  return { text: parts.join(" "), settled };
}

/**
 * Text that follows from files (or directories, by what they list) alone, kept in a file of its own for as long as
 * they do not change. It is only ever a saving: where it cannot be kept, or read, it is made anew.
 */
export class Derived {
  readonly #path: string;
  readonly #files: readonly string[];
  readonly #stamp: { readonly text: string; readonly settled: boolean };

  /** To be made before what it is derived from is read. */
  constructor(path: string, files: readonly string[]) {
    this.#path = path;
    this.#files = files;
    this.#stamp = stampOf(files);
  }

  /** What was kept, if nothing changed since. */
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

  /** Keeps what was made, unless something changed meanwhile. */
  keep(text: string): void {
    const { text: stamp, settled } = this.#stamp;
    if (settled && stampOf(this.#files).text === stamp) write(this.#path, `${stamp}\n${text}`);
  }
}

function write(path: string, text: string): void {
  const temporary = join(dirname(path), temporaryName(basename(path)));
  try {
    requireDirectory(dirname(path));
    // Only the last directory: looking does not make a store.
    if (!existsSync(dirname(path))) mkdirSync(dirname(path), { mode: 0o700 });
    writeFileSync(temporary, text, { mode: 0o600, flag: "wx" });
    renameSync(temporary, path);
  } catch {
    rmSync(temporary, { force: true });
  }
}
