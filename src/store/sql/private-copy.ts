import { type BigIntStats, constants, lstatSync } from "node:fs";
import { copyFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sleep } from "../../base/async.ts";
import { GantryError } from "../../base/error.ts";
import { fileSystemError } from "../../sys/fs-error.ts";

const TRIES = 200;

/**
 * Copies a SQLite database and its log to a directory of this process, for a store that cannot be written to: to read a
 * database in WAL mode SQLite must write its index of the log beside it. Another process may be writing, so the copy
 * counts only if neither file changed while it was made.
 *
 * Closing a file releases this process's POSIX locks on it. There are none here: where this process has another
 * connection, that one's index exists, so SQLite opens the database and nothing is copied.
 * @returns the directory with the copy, `names.db`; the caller removes it
 * @throws LOCK_TIMEOUT, FILE_SYSTEM, NO_SPACE
 */
export async function privateCopy(path: string): Promise<string> {
  const files = [
    [path, "names.db"],
    [`${path}-wal`, "names.db-wal"],
  ] as const;
  let directory: string | undefined;
  try {
    directory = await mkdtemp(join(tmpdir(), "gantry-names-"));
    for (let tries = 0; tries < TRIES; tries += 1) {
      const before = stampOf(files.map(([from]) => from));
      for (const [from, name] of files) {
        const to = join(directory, name);
        await rm(to, { force: true });
        if (lstatSync(from, { throwIfNoEntry: false })?.isFile()) await copyFile(from, to, constants.COPYFILE_EXCL);
      }
      const after = stampOf(files.map(([from]) => from));
      if (before.text === after.text && before.settled) return directory;
      await sleep(20);
    }
    throw new GantryError(
      "LOCK_TIMEOUT",
      `the database ${path} changed during every copy; try again when no other process writes`,
    );
  } catch (error) {
    if (directory) await rm(directory, { recursive: true, force: true });
    throw await fileSystemError(error, "copying", path);
  }
}

/** A stamp that changes with the files, and whether a later change would show: file systems count times in steps. */
function stampOf(files: readonly string[]): { text: string; settled: boolean } {
  let settled = true;
  const parts = files.map((file) => {
    const found: BigIntStats | undefined = lstatSync(file, { bigint: true, throwIfNoEntry: false });
    if (!found) return "-";
    const step = found.mtimeNs % 1_000_000_000n === 0n ? 2_500 : 50;
    const age = Date.now() - Number(found.mtimeMs);
    if (age >= 0 && age < step) settled = false;
    return `${found.ino}.${found.size}.${found.mtimeNs}`;
  });
  return { text: parts.join(" "), settled };
}
