import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { temporary } from "../../test/support/temporary.ts";
import { isTemporaryName } from "./process-owner.ts";
import { type ReplaceFileOptions, replaceFile, replaceFileSync } from "./replace-file.ts";

const ways: readonly [string, (path: string, text: string, options?: ReplaceFileOptions) => Promise<void>][] = [
  ["replaceFile", replaceFile],
  ["replaceFile with sync", (path, text, options) => replaceFile(path, text, { ...options, sync: true })],
  ["replaceFileSync", async (path, text, options) => replaceFileSync(path, text, { mode: options?.mode })],
];

describe.each(ways)("%s", (_, write) => {
  test("creates a file that only its owner can read, and replaces it whole", async () => {
    const directory = await temporary();
    const path = join(directory, "file");
    await write(path, "a long first text");
    expect(readFileSync(path, "utf8")).toBe("a long first text");
    expect(statSync(path).mode & 0o777).toBe(0o600);
    await write(path, "second", { mode: 0o644 });
    expect(readFileSync(path, "utf8")).toBe("second");
    expect(statSync(path).mode & 0o777).toBe(0o644 & ~process.umask());
    expect(readdirSync(directory)).toEqual(["file"]);
  });

  test("leaves only the old file if it fails", async () => {
    const directory = await temporary();
    const path = join(directory, "file");
    mkdirSync(path);
    writeFileSync(join(path, "inside"), "x");
    await expect(write(path, "text")).rejects.toThrow();
    expect(readdirSync(directory)).toEqual(["file"]);
    expect(readdirSync(path)).toEqual(["inside"]);
    await expect(write(join(directory, "missing/file"), "text")).rejects.toThrow("ENOENT");
  });
});

test("beforeRename sees the whole new file; if it throws, the old file stays", async () => {
  const directory = await temporary();
  const path = join(directory, "file");
  await replaceFile(path, "old");
  let seen: string | undefined;
  const refused = replaceFile(path, "new", {
    async beforeRename() {
      const name = readdirSync(directory).find((entry) => isTemporaryName(entry, "file"))!;
      seen = readFileSync(join(directory, name), "utf8");
      throw new Error("the lock was lost");
    },
  });
  await expect(refused).rejects.toThrow("the lock was lost");
  expect(seen).toBe("new");
  expect(readFileSync(path, "utf8")).toBe("old");
  expect(readdirSync(directory)).toEqual(["file"]);
});
