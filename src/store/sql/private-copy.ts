import { type BigIntStats, constants, lstatSync } from "node:fs";
import { copyFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sleep } from "../../base/async.ts";
import { GantryError } from "../../base/error.ts";
import { fileSystemError } from "../../sys/fs-error.ts";

/** At 20 ms each: copying gives up after 4 s. */
const TRIES = 200;

/**
 * Copies a SQLite database and its log to a directory of this process, for a store that cannot be written to: SQLite
 * reads a database in WAL mode only where it can write its index of the log beside it. Another process may be writing,
 * so the copy is used only if neither file changed while it was made.
 *
 * Copying closes the database file, which would release all POSIX locks of this process on it. There are none: if
 * another connection existed, the index of the log would exist too, and SQLite would open the database without a copy.
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
      `the database ${path} could not be copied, because it changed during each try; try again when no other process writes`,
    );
  } catch (error) {
    if (directory) await rm(directory, { recursive: true, force: true });
    throw await fileSystemError(error, "copying", path);
  }
}

/** A stamp that changes with the files. It is `settled` if a later change will show: timestamps advance in steps. */
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
