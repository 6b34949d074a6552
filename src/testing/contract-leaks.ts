import assert from "node:assert/strict";
import { readdirSync, readlinkSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

/** libsql closes a database only when its object is garbage-collected, so database files do not count. */
const isDatabase = (path: string): boolean => /\/names\.db(?:-wal|-shm)?(?: \(deleted\))?$/.test(path);

/** The number of open files and sockets of this process, from /proc; 0 where the system has no /proc. */
function openDescriptors(): number {
  try {
    return readdirSync("/proc/self/fd").filter((fd) => {
      try {
        const target = readlinkSync(`/proc/self/fd/${fd}`);
        return (
          target.startsWith("socket:") ||
          (target.startsWith("/") && !/^\/(?:dev|proc)\//.test(target) && !isDatabase(target))
        );
      } catch {
        return false;
      }
    }).length;
  } catch {
    return 0;
  }
}

/** Runs `work`, which closes what it opened, and asserts that no file and no socket is left open. */
export async function withoutLeaks(work: () => Promise<void>): Promise<void> {
  const before = openDescriptors();
  await work();
  for (let tries = 0; openDescriptors() > before && tries < 100; tries += 1) await sleep(20);
  assert.ok(openDescriptors() <= before, `${openDescriptors() - before} files or sockets were left open`);
}
