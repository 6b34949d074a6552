import { chmod, mkdir, readdir, writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { describe, expect, test } from "vitest";
import { temporary } from "../../test/support/temporary.ts";
import { rejects } from "../testing/index.ts";
import { askHelper, storeInHelper } from "./helper.ts";

describe("hostile credential helpers", () => {
  test("N13 a helper gets one server name, no shell, and a bound on what it says", async () => {
    const bin = await temporary();
    const make = async (name: string, script: string): Promise<void> => {
      await writeFile(join(bin, `docker-credential-${name}`), `#!/bin/sh\n${script}`);
      await chmod(join(bin, `docker-credential-${name}`), 0o755);
    };
    await make("flood", 'cat >/dev/null; yes "{\\"Username\\":\\"a\\"}"');
    await make("junk", "cat >/dev/null; echo nothing that is JSON");
    await make("part", 'cat >/dev/null; echo \'{"Username":"a"}\'');
    await make("list", "cat >/dev/null; echo '[1]'");
    await make("fail", 'cat >/dev/null; printf "no \\033[31m luck"; exit 3');
    await make("hang", "cat >/dev/null; exec sleep 1000");
    await mkdir(join(bin, "inner"));
    const before = process.env["PATH"];
    process.env["PATH"] = [bin, before].join(delimiter);
    try {
      for (const name of ["flood", "junk", "part", "list", "fail", "absent"])
        await rejects(askHelper(name, "a.b"), "HELPER_FAILED");
      await expect(askHelper("fail", "a.b")).rejects.toThrow(/no \\x1b/);
      // Names that are paths, options or commands are no names of helpers.
      for (const name of ["../inner", "x;touch pwned", "-x", "", "a b", "x\n", "$(id)"])
        await rejects(askHelper(name, "a.b"), "HELPER_FAILED");
      // And no server is two lines, whatever it came from.
      for (const server of ["a.b\nserver2", "a b", "a.b\0", ""]) {
        await rejects(askHelper("junk", server), "INVALID_REFERENCE");
        await rejects(storeInHelper("junk", server, "u", "p"), "INVALID_REFERENCE");
      }
      const stop = new AbortController();
      const asked = askHelper("hang", "a.b", stop.signal);
      const reason = new Error("enough");
      setTimeout(() => stop.abort(reason), 100);
      await expect(asked).rejects.toBe(reason);
    } finally {
      process.env["PATH"] = before;
    }
    expect(await readdir(bin)).not.toContain("pwned");
  });
});
