import { spawn } from "node:child_process";
import { mkdirSync, readFileSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporary } from "../../test/support/temporary.ts";
import { isAbandoned, isTemporaryName, temporaryName } from "./process-owner.ts";

test("a temporary name tells its final name and has at most 255 bytes, whatever the final name", () => {
  for (const name of ["rootfs", "index.json", "x".repeat(255), "é".repeat(127), "a.gantry-b"]) {
    const first = temporaryName(name, { hidden: true });
    expect(Buffer.byteLength(first)).toBeLessThanOrEqual(255);
    expect(first).not.toBe(temporaryName(name, { hidden: true }));
    expect(first).not.toContain("\ufffd");
    expect(isTemporaryName(first, name, { hidden: true })).toBe(true);
    expect(isTemporaryName(first, name)).toBe(false);
    expect(isTemporaryName(first, "other", { hidden: true })).toBe(false);
  }
  expect(isTemporaryName("rootfs.gantry-backup", "rootfs")).toBe(false);
});

test("a file of this process is not abandoned, nor is one whose name only looks temporary", async () => {
  const work = await temporary();
  expect(isAbandoned(join(work, temporaryName("rootfs")))).toBe(false);
  expect(isAbandoned(join(work, "rootfs.gantry-backup"))).toBe(false);
});

test("a file of another process is abandoned once that process is dead", async () => {
  const work = await temporary();
  const child = spawn("sleep", ["60"]);
  const fields = readFileSync(`/proc/${child.pid}/stat`, "utf8").split(") ")[1]!.split(" ");
  const [prefix, host, boot, namespace, , , random] = temporaryName("rootfs").split("-");
  const start = Number(fields[19]).toString(36);
  const path = join(work, [prefix, host, boot, namespace, child.pid, start, random].join("-"));
  expect(isAbandoned(path)).toBe(false);
  const exited = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGKILL");
  await exited;
  expect(isAbandoned(path)).toBe(true);
});

test("a reused pid or another boot means that the process is dead", async () => {
  const work = await temporary();
  const parts = temporaryName("rootfs").split("-");
  const [prefix, host, boot, namespace, pid, start, random] = parts;
  const path = (...changed: (string | undefined)[]): string => join(work, [prefix, ...changed].join("-"));
  expect(isAbandoned(path(host, boot, namespace, pid, start, random))).toBe(false);
  expect(isAbandoned(path(host, boot, namespace, pid, `${start}1`, random))).toBe(process.platform === "linux");
  expect(isAbandoned(path(host, "00000000", namespace, pid, start, random))).toBe(process.platform === "linux");
});

test("a file of another host or container is abandoned after a day: its process cannot be looked up", async () => {
  const work = await temporary();
  const [prefix, , boot, namespace, pid, start, random] = temporaryName("rootfs").split("-");
  const path = join(work, [prefix, "00000000", boot, namespace, pid, start, random].join("-"));
  expect(isAbandoned(path)).toBe(false);
  mkdirSync(path);
  expect(isAbandoned(path)).toBe(false);
  utimesSync(path, 1, 1);
  expect(isAbandoned(path)).toBe(true);
});
