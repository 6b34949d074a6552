import { chmod, mkdir, readdir, utimes, writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { describe, expect, test } from "vitest";
import { gantry } from "../../test/support/peers.ts";
import { temporary } from "../../test/support/temporary.ts";
import { messageOf } from "../base/error.ts";
import { parseRepoName, parseTag } from "../reference/index.ts";
import { RemoteRegistry } from "../registry/index.ts";
import { rejects, startTestRegistry } from "../testing/index.ts";
import { login } from "../verbs/index.ts";
import { askHelper, eraseInHelper, storeInHelper } from "./helper.ts";

describe("hostile credential helpers", () => {
  test("N13 a helper gets one server name and no shell, and its output is bounded", async () => {
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
    await make("tell", 'cat >/dev/null; echo "password=hunter2"; echo "Authorization: Bearer abc123" >&2; exit 1');
    await make("hang", "cat >/dev/null; exec sleep 1000");
    await mkdir(join(bin, "inner"));
    const before = process.env["PATH"];
    process.env["PATH"] = [bin, before].join(delimiter);
    try {
      for (const name of ["flood", "junk", "part", "list", "fail", "absent"])
        await rejects(askHelper(name, "a.b"), "HELPER_FAILED");
      await expect(askHelper("fail", "a.b")).rejects.toThrow(/no \\x1b/);
      // What a helper says is shown without secrets, whatever it was asked.
      for (const ask of [
        () => askHelper("tell", "a.b"),
        () => storeInHelper("tell", "a.b", "u", "p"),
        () => eraseInHelper("tell", "a.b"),
      ]) {
        const said = await ask().catch(messageOf);
        expect(said).toMatch(/password=\*\*\*.*Authorization: \*\*\*/);
        expect(said).not.toMatch(/hunter2|abc123/);
      }
      // A path, an option or a command is not accepted as the name of a helper.
      for (const name of ["../inner", "x;touch pwned", "-x", "", "a b", "x\n", "$(id)"])
        await rejects(askHelper(name, "a.b"), "HELPER_FAILED");
      // The name of a server is always one line.
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

describe("hostile configuration", () => {
  test("C2 values that HTTP cannot carry, impossible names of helpers and broken locks are errors that name file and field", async () => {
    const work = await temporary();
    const at = (name: string): string => join(work, name);
    await using server = await startTestRegistry({ faults: [{ on: { kind: "status", status: 401 }, path: /tags/ }] });
    const { host } = server;
    const json = JSON.stringify(host);
    const base64 = (text: string): string => Buffer.from(text).toString("base64");
    const env = {
      DOCKER_CONFIG: work,
      XDG_CONFIG_HOME: at("xdg"),
      XDG_RUNTIME_DIR: work,
      XDG_STATE_HOME: work,
      GANTRY_HOSTS_DIR: at("hosts"),
    };
    await mkdir(join(work, "hosts", host), { recursive: true });
    const bad = ["sec\r\nX-Injected: 1", "sec\nret", "sec\0ret", "sec\u001bret"];
    const entries: (readonly [string, object])[] = bad.flatMap((secret) => [
      ["registrytoken", { registrytoken: secret }] as const,
      ["identitytoken", { identitytoken: secret }] as const,
      ["auth", { auth: base64(`me:${secret}`) }] as const,
      ["auth", { auth: base64(`me\r\nyou:${secret}`) }] as const,
      ["username", { username: `me${secret}`, password: "x" }] as const,
      ["password", { username: "me", password: secret }] as const,
    ]);
    entries.push(["registrytoken", { registrytoken: "sec ret" }], ["registrytoken", { registrytoken: "sec\u20acret" }]);
    entries.push(["username", { username: "m:e", password: "x" }]);
    const long = "x".repeat(5_000);
    type Case = { readonly file: string; readonly text: string; readonly says: string };
    const cases: Case[] = entries.map(([field, entry]) => ({
      file: "config.json",
      text: JSON.stringify({ auths: { [host]: entry } }),
      says: `auths.${json}.${field}`,
    }));
    for (const name of [long, "../x", "a\r\nb", "a\0b"]) {
      cases.push({ file: "config.json", text: JSON.stringify({ credsStore: name }), says: "credsStore" });
      const text = JSON.stringify({ credHelpers: { [host]: name } });
      cases.push({ file: "config.json", text, says: `credHelpers.${json}` });
    }
    const toml = (header: string): string => `server = "http://${host}"\n[header]\n${header}\n`;
    for (const [header, says] of [
      ['"x-key" = "sec\\r\\nret"', 'header."x-key"'],
      ['"x-key" = ["a", "sec\\u0000ret"]', 'header."x-key"'],
      ['"x-key" = "sec\\u20acret"', 'header."x-key"'],
      ['"x-key" = [["sec"]]', 'header."x-key"'],
      ['"x key" = "a"', 'header."x key"'],
      ['"x\\r\\ny" = "a"', "header."],
      ['"" = "a"', 'header.""'],
      [`"${long} " = "a"`, "header."],
    ] as const) {
      cases.push({ file: join("hosts", host, "hosts.toml"), text: toml(header), says });
    }
    const ask = async ({ file, text, says }: Case): Promise<void> => {
      await writeFile(at(file), text);
      const { code, stderr } = await gantry(["ls", `${host}/app`], { env });
      await writeFile(at(file), "");
      const about = `${text.slice(0, 200)}: ${stderr}`;
      expect([code, stderr.trim().split("\n").length], about).toEqual([2, 1]);
      expect(stderr, about).toContain(at(file));
      expect(stderr, about).toContain(says);
      expect(stderr, about).toMatch(/\[CONFIG_INVALID\]$/m);
      expect(stderr.length, about).toBeLessThan(500);
      // A value that is not valid is still a secret.
      expect(stderr, about).not.toContain("sec");
    };
    for (const each of cases) await ask(each);
    expect(cases.length).toBeGreaterThan(40);

    // An old directory in the place of the lock.
    await mkdir(at("config.json.lock"));
    await utimes(at("config.json.lock"), 1, 1);
    server.faults = [];
    const locked = await gantry(["logout", host], { env });
    expect(locked.code, locked.stderr).toBe(0);
    await writeFile(at("config.json"), JSON.stringify({ auths: { [host]: { auth: base64("me:x") } } }));
    const held = await gantry(["logout", host], { env });
    expect([held.code, held.stderr]).toEqual([5, expect.stringContaining(`${at("config.json.lock")} must be a lock`)]);
    expect(held.stderr.trim().split("\n")).toHaveLength(1);

    for (const [username, password] of [
      ["me", "two\nlines"],
      ["m\re", "x"],
      ["m:e", "x"],
    ] as const) {
      await rejects(login(host, { username, password, file: at("config.json") }), "USAGE");
    }

    // Headers that a caller of the library passes are checked too.
    const repo = parseRepoName("app");
    for (const headers of [{ "x-key": "sec\r\nret" }, { "x key": "a" }] as Record<string, string>[]) {
      const registry = new RemoteRegistry(host, { headers });
      await rejects(registry.getManifest(repo, parseTag("v1")), "CONFIG_INVALID");
      await registry.close();
    }
  });
});
