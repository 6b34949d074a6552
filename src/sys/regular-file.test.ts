import { execFileSync } from "node:child_process";
import { mkdirSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporary } from "../../test/support/temporary.ts";
import { rejects } from "../testing/index.ts";
import { readSmallFile, readSmallFileSync } from "./regular-file.ts";

test("a small file is read whole; a missing one is undefined", async () => {
  const work = await temporary();
  writeFileSync(join(work, "file"), "text");
  for (const limit of [4, 100]) {
    expect((await readSmallFile(join(work, "file"), { limit }))?.toString()).toBe("text");
    expect(readSmallFileSync(join(work, "file"), { limit })?.toString()).toBe("text");
  }
  expect(await readSmallFile(join(work, "none"), { limit: 1 })).toBeUndefined();
  expect(readSmallFileSync(join(work, "file/below"), { limit: 1 })).toBeUndefined();
});

test("a file that is not regular or too large is refused before a byte is read", async () => {
  const work = await temporary();
  const at = (name: string): string => join(work, name);
  execFileSync("mkfifo", [at("fifo")]);
  mkdirSync(at("directory"));
  writeFileSync(at("large"), "");
  truncateSync(at("large"), 2 ** 40);
  symlinkSync("/dev/zero", at("zero"));
  symlinkSync("large", at("link"));
  for (const [name, code] of [
    ["fifo", "NOT_REGULAR_FILE"],
    ["directory", "NOT_REGULAR_FILE"],
    ["zero", "NOT_REGULAR_FILE"],
    ["link", "NOT_REGULAR_FILE"],
    ["large", "LIMIT_EXCEEDED"],
  ] as const) {
    await rejects(readSmallFile(at(name), { limit: 100 }), code);
    await rejects(
      Promise.resolve().then(() => readSmallFileSync(at(name), { limit: 100 })),
      code,
    );
  }
  await rejects(readSmallFile(at("zero"), { limit: 100, follow: true }), "NOT_REGULAR_FILE");
  await rejects(readSmallFile(at("link"), { limit: 100, follow: true }), "LIMIT_EXCEEDED");
});
