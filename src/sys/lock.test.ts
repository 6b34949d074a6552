import { spawn } from "node:child_process";
import { existsSync, readFileSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { temporary } from "../../test/support/temporary.ts";
import { rejects } from "../testing/index.ts";
import { withLock } from "./lock.ts";

describe("withLock", () => {
  test("runs one piece of work at a time", async () => {
    const path = join(await temporary(), "lock");
    let inside = 0;
    let most = 0;
    const work = (): Promise<void> =>
      withLock(path, async () => {
        inside += 1;
        most = Math.max(most, inside);
        await new Promise((resolve) => setTimeout(resolve, 5));
        inside -= 1;
      });
    await Promise.all(Array.from({ length: 10 }, work));
    expect(most).toBe(1);
    expect(existsSync(path)).toBe(false);
  });

  test("takes over stale locks, waits for held ones, and fails the process that lost its lock", async () => {
    const path = join(await temporary(), "lock");
    writeFileSync(path, "another owner");
    await rejects(
      withLock(path, async () => {}, { waitMs: 50 }),
      "LOCK_TIMEOUT",
    );
    utimesSync(path, 1, 1);
    expect(await withLock(path, async () => "mine")).toBe("mine");
    await rejects(
      withLock(path, async (lock) => {
        writeFileSync(path, "another");
        await lock.check();
      }),
      "LOCK_LOST",
    );
    expect(readFileSync(path, "utf8")).toBe("another");
  });

  test("stops waiting when its signal is aborted", async () => {
    const path = join(await temporary(), "lock");
    writeFileSync(path, "another owner");
    const stop = new AbortController();
    const waiting = withLock(path, async () => {}, { signal: stop.signal });
    stop.abort(new Error("enough"));
    await expect(waiting).rejects.toThrow("enough");
  });

  test("keeps processes from losing each other's changes", async () => {
    const directory = await temporary();
    writeFileSync(join(directory, "count"), "0");
    const module = new URL("../../dist/registry/index.js", import.meta.url).href;
    // Four processes write names into one index.json at the same time: no name is lost.
    const script = `
      const { LayoutRegistry } = await import(${JSON.stringify(module)});
      const { bytesSource } = await import(${JSON.stringify(new URL("../../dist/content/index.js", import.meta.url).href)});
      const layout = new LayoutRegistry(process.argv[1], { create: true, sparse: true });
      const document = Buffer.from('{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}');
      for (let at = 0; at < 8; at += 1) {
        await layout.pushManifest(layout.defaultRepository, document, "application/vnd.oci.image.index.v1+json", { tags: [process.argv[2] + "-" + at] });
      }
      await layout.close();`;
    const run = (name: string): Promise<number | null> =>
      new Promise((resolve) => {
        const child = spawn(process.execPath, ["--input-type=module", "-e", script, join(directory, "layout"), name], {
          stdio: ["ignore", "ignore", "inherit"],
        });
        child.once("exit", resolve);
      });
    expect(await Promise.all(["a", "b", "c", "d"].map(run))).toEqual([0, 0, 0, 0]);
    expect(JSON.parse(readFileSync(join(directory, "layout/index.json"), "utf8")).manifests).toHaveLength(32);
  });
});
