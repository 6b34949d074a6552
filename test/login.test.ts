import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { answer, listening } from "./support/http.ts";
import { gantry, missing } from "./support/peers.ts";
import { temporary } from "./support/temporary.ts";
import { onTerminal } from "./support/terminal.ts";

const right = `Basic ${Buffer.from("me:hunter2 s3cret").toString("base64")}`;

/** A registry that knows one user, and an empty place for what is kept of it. */
async function registry() {
  const { host } = await listening((request, response) => {
    if (request.headers.authorization === right) answer(response, 200, {});
    else answer(response, 401, { errors: [{ code: "UNAUTHORIZED" }] }, { "www-authenticate": 'Basic realm="x"' });
  });
  const work = await temporary();
  const file = join(work, "config.json");
  const kept = (): string | undefined =>
    existsSync(file) ? JSON.parse(readFileSync(file, "utf8")).auths[host]?.auth : undefined;
  return { host, kept, env: { DOCKER_CONFIG: work, XDG_CONFIG_HOME: work, XDG_RUNTIME_DIR: work } };
}

const reason = missing({ programs: ["script"] });

describe.skipIf(reason)(`gantry login on a terminal${reason ? ` (${reason})` : ""}`, () => {
  test("asks for the name, and for the password without showing it", async () => {
    const { host, kept, env } = await registry();
    const { code, screen } = await onTerminal(["login", host], {
      env,
      typed: [
        [`Username for ${host}: `, "me\r"],
        [`Password for ${host}: `, "hunter2 s3cret\r"],
      ],
    });
    expect([code, kept()], screen).toEqual([0, right.slice(6)]);
    expect(screen).toContain(`logged in to ${host}\n`);
    expect(screen).toContain(`Username for ${host}: me\n`);
    expect(screen).not.toContain("hunter2");
  });

  test("asks only for the password if the user is given, and hides a password that was pasted with the name", async () => {
    const { host, kept, env } = await registry();
    const named = await onTerminal(["login", "--username", "me", host], {
      env,
      typed: [[`Password for me at ${host}: `, "hunter2 s3cret\r"]],
    });
    expect([named.code, kept()], named.screen).toEqual([0, right.slice(6)]);
    expect(named.screen).not.toMatch(/Username|hunter2/);
    const pasted = await onTerminal(["login", host], {
      env,
      typed: [[`Username for ${host}: `, "me\rhunter2 s3cret\r"]],
    });
    expect([pasted.code, pasted.screen], pasted.screen).toEqual([0, expect.stringContaining("logged in")]);
    expect(pasted.screen).not.toContain("hunter2");
  });

  test("says that a password is wrong, and saves nothing", async () => {
    const { host, kept, env } = await registry();
    const { code, screen } = await onTerminal(["login", "-u", "me", host], {
      env,
      typed: [["Password", "wrong-one\r"]],
    });
    expect([code, kept()]).toEqual([4, undefined]);
    expect(screen).toContain(`the registry ${host} refused this user name and password`);
    expect(screen).not.toContain("wrong-one");
  });

  test("ends with 130 on Ctrl-C, and takes Ctrl-D for an empty answer", async () => {
    const { host, kept, env } = await registry();
    const interrupted = await onTerminal(["login", "-u", "me", host], { env, typed: [["Password", "hun\u0003"]] });
    expect([interrupted.code, interrupted.screen]).toEqual([130, expect.not.stringContaining("hun")]);
    const ended = await onTerminal(["login", host], { env, typed: [["Username", "\u0004"]] });
    expect([ended.code, ended.screen]).toEqual([2, expect.stringContaining("the input ended")]);
    expect(kept()).toBeUndefined();
  });
});

test("gantry login without a terminal names the flags for user and password", async () => {
  const { host, env } = await registry();
  for (const args of [[], ["--username", "me"], ["--password-stdin"]]) {
    const { code, stderr } = await gantry(["login", ...args, host], { env });
    expect([code, stderr]).toEqual([2, expect.stringMatching(/--username NAME --password-stdin/)]);
  }
});
