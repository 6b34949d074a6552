import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { temporary } from "../../test/support/temporary.ts";
import { makeDirectories } from "./make-directories.ts";

describe("makeDirectories", () => {
  test("says which directory it created first, and nothing for an existing one", async () => {
    const work = await temporary();
    expect(await makeDirectories(join(work, "a/b/c"))).toBe(join(work, "a"));
    expect(await makeDirectories(join(work, "a/b/c"))).toBeUndefined();
    expect(await makeDirectories(join(work, "a/b/d"))).toBe(join(work, "a/b/d"));
  });

  test("refuses a path that leads through a file, to a file or over a dangling link", async () => {
    const work = await temporary();
    writeFileSync(join(work, "file"), "");
    symlinkSync("nowhere", join(work, "link"));
    mkdirSync(join(work, "target"));
    symlinkSync("target", join(work, "good"));
    await expect(makeDirectories(join(work, "file"))).rejects.toMatchObject({ code: "EEXIST" });
    await expect(makeDirectories(join(work, "file/a"))).rejects.toMatchObject({ code: "ENOTDIR" });
    await expect(makeDirectories(join(work, "link/a"))).rejects.toMatchObject({ code: "ENOENT" });
    expect(await makeDirectories(join(work, "good/a"))).toBe(join(work, "good/a"));
  });

  test.skipIf(process.platform !== "linux")(
    "ends below /proc, where nothing can be created (needs Linux)",
    async () => {
      await expect(makeDirectories("/proc/gantry/a")).rejects.toMatchObject({ code: "ENOENT" });
    },
  );
});
