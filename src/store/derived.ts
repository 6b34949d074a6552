import { randomUUID } from "node:crypto";
import {
  type BigIntStats,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname } from "node:path";
import { version } from "../base/version.ts";

/** A change less than this old may be followed by another one that leaves the same time: some file systems count whole seconds. */
const SETTLED_MS = 2_500;

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
export async function derived(path: string, files: readonly string[], make: () => Promise<string>): Promise<string> {
  const stamp = stampOf(files);
  const kept = readKept(path, stamp.text);
  if (kept !== undefined) return kept;
  const text = await make();
  if (stamp.settled && stampOf(files).text === stamp.text) keep(path, `${stamp.text}\n${text}`);
  return text;
}

function readKept(path: string, stamp: string): string | undefined {
  try {
    const text = readFileSync(path, "utf8");
    return text.startsWith(`${stamp}\n`) ? text.slice(stamp.length + 1) : undefined;
  } catch {
    return undefined;
  }
}

function keep(path: string, text: string): void {
  const temporary = `${path}.${randomUUID()}`;
  try {
    // Only the last directory: looking does not make a store.
    if (!existsSync(dirname(path))) mkdirSync(dirname(path), { mode: 0o700 });
    writeFileSync(temporary, text, { mode: 0o600, flag: "wx" });
    renameSync(temporary, path);
  } catch {
    rmSync(temporary, { force: true });
  }
}
