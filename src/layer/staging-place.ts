import { access, constants, lstat, readdir, readFile, realpath } from "node:fs/promises";
import { dirname } from "node:path";
import { errnoOf, GantryError } from "../base/error.ts";

/**
 * Whether the entries of the tree must be moved into the target, because a rename of the tree cannot replace the target:
 * it is a mount point, or this user may not rename it in its directory.
 */
export async function mustFill(target: string): Promise<boolean> {
  const found = await lstat(target).catch(() => undefined);
  if (!found?.isDirectory()) return false;
  const parent = await lstat(await realpath(dirname(target)));
  if (parent.dev !== found.dev || (await mountPoints()).has(await realpath(target))) return true;
  const user = process.geteuid?.();
  if (user === undefined || user === 0) return false;
  if ((parent.mode & 0o1000) !== 0 && parent.uid !== user && found.uid !== user) return true;
  return !(await isWritable(dirname(target)));
}

async function isWritable(directory: string): Promise<boolean> {
  return access(directory, constants.W_OK | constants.X_OK).then(
    () => true,
    () => false,
  );
}

/** All mount points, also bind mounts of the same file system. Empty if the system does not list them. */
async function mountPoints(): Promise<ReadonlySet<string>> {
  const text = await readFile("/proc/self/mountinfo", "latin1").catch(() => "");
  const plain = (field: string): string =>
    Buffer.from(
      field.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8))),
      "latin1",
    ).toString("utf8");
  return new Set(
    text
      .split("\n")
      .flatMap((line) => line.split(" ")[4] ?? [])
      .map(plain),
  );
}

/** @throws TARGET_NOT_EMPTY unless the target is missing or an empty directory */
export async function requireEmpty(target: string): Promise<void> {
  const found = await lstat(target).catch((error: unknown) => {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  });
  if (!found) return;
  const names = found.isDirectory() ? await readdir(target) : undefined;
  if (names?.every((name) => name === "lost+found")) return;
  throw new GantryError(
    "TARGET_NOT_EMPTY",
    `${target} ${names ? "is not empty" : "is not a directory"}; name a missing or empty directory`,
    { details: { path: target } },
  );
}
