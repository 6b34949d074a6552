import { chmod, lstat, mkdir, readdir, readFile, stat, symlink, utimes, writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { describe, expect, test } from "vitest";
import { temporary } from "../../test/support/temporary.ts";
import { temporaryName } from "../sys/process-owner.ts";
import { rejects } from "../testing/index.ts";
import { authFiles, removeLogin, saveLogin, userCredentials } from "./index.ts";
import { mayShareSecrets } from "./trust.ts";

const auth = (text: string): string => Buffer.from(text).toString("base64");

/** A home with a docker config, and a PATH with one helper that keeps things in a file. */
async function home(config?: object, helper?: string): Promise<{ env: NodeJS.ProcessEnv; file: string; bin: string }> {
  const work = await temporary();
  const bin = join(work, "bin");
  await mkdir(bin);
  const file = join(work, "config.json");
  if (config) await writeFile(file, JSON.stringify(config));
  if (helper !== undefined) {
    await writeFile(join(bin, "docker-credential-test"), `#!/bin/sh\n${helper}`);
    await chmod(join(bin, "docker-credential-test"), 0o755);
  }
  return { env: { DOCKER_CONFIG: work, XDG_CONFIG_HOME: join(work, "none") }, file, bin };
}

/** Helpers are found in this process's PATH. */
async function withPath<T>(bin: string, work: () => Promise<T>): Promise<T> {
  const before = process.env["PATH"];
  process.env["PATH"] = [bin, before].join(delimiter);
  try {
    return await work();
  } finally {
    process.env["PATH"] = before;
  }
}

describe("credentials in files", () => {
  test.each<[string, object, string, string | undefined, object | undefined]>([
    [
      "by host",
      { auths: { "ghcr.io": { auth: auth("me:pw") } } },
      "ghcr.io",
      undefined,
      { username: "me", password: "pw" },
    ],
    [
      "with colons in the password",
      { auths: { "a.b": { auth: auth("me:p:w:") } } },
      "a.b",
      undefined,
      { password: "p:w:" },
    ],
    ["with a port", { auths: { "a.b:5000": { auth: auth("me:pw") } } }, "a.b:5000", undefined, { username: "me" }],
    ["with another port", { auths: { "a.b:5000": { auth: auth("me:pw") } } }, "a.b", undefined, undefined],
    [
      "of the Hub, as Docker writes it",
      { auths: { "https://index.docker.io/v1/": { auth: auth("me:pw") } } },
      "docker.io",
      undefined,
      { username: "me" },
    ],
    [
      "of the Hub, by another name",
      { auths: { "registry-1.docker.io": { auth: auth("me:pw") } } },
      "docker.io",
      undefined,
      { username: "me" },
    ],
    ["as an address", { auths: { "https://a.b/v2/": { auth: auth("me:pw") } } }, "a.b", undefined, { username: "me" }],
    [
      "with an identity token",
      { auths: { "a.azurecr.io": { auth: auth("00000000-0000-0000-0000-000000000000:"), identitytoken: "it" } } },
      "a.azurecr.io",
      undefined,
      { kind: "identity", token: "it" },
    ],
    [
      "with a registry token",
      { auths: { "a.b": { registrytoken: "rt" } } },
      "a.b",
      undefined,
      { kind: "registry", token: "rt" },
    ],
    [
      "of a repository, as podman writes it",
      {
        auths: {
          "a.b": { auth: auth("all:x") },
          "a.b/team": { auth: auth("team:x") },
          "a.b/team/app": { auth: auth("app:x") },
        },
      },
      "a.b",
      "team/app",
      { username: "app" },
    ],
    [
      "of a prefix of the repository's name",
      { auths: { "a.b": { auth: auth("all:x") }, "a.b/team": { auth: auth("team:x") } } },
      "a.b",
      "team/other",
      { username: "team" },
    ],
    [
      "of no repository, if only the letters of the prefix match",
      { auths: { "a.b/team": { auth: auth("team:x") } } },
      "a.b",
      "teamster/app",
      undefined,
    ],
    [
      "of the Hub, by Docker's key before any other",
      { auths: { "docker.io": { auth: auth("old:x") }, "https://index.docker.io/v1/": { auth: auth("new:x") } } },
      "docker.io",
      undefined,
      { username: "new" },
    ],
    [
      "as an address without a slash at its end",
      { auths: { "https://ghcr.io/v2": { auth: auth("me:pw") } } },
      "ghcr.io",
      undefined,
      { username: "me" },
    ],
    [
      "as an address with a path",
      { auths: { "https://ghcr.io/org/": { auth: auth("me:pw") } } },
      "ghcr.io",
      undefined,
      { username: "me" },
    ],
    [
      "in the file, if the name of the helper is empty",
      { credsStore: "absent", credHelpers: { "a.b": "" }, auths: { "a.b": { auth: auth("me:pw") } } },
      "a.b",
      undefined,
      { username: "me" },
    ],
    ["that are empty", { auths: { "a.b": {} } }, "a.b", undefined, undefined],
    [
      "of a strange shape",
      { auths: { "a.b": { auth: 3 }, __proto__: 1 }, credHelpers: [] },
      "a.b",
      undefined,
      undefined,
    ],
  ])("%s", async (_name, config, host, repository, expected) => {
    const { env } = await home(config);
    const found = await userCredentials(env).find(host, repository === undefined ? {} : { repository });
    if (expected) expect(found).toMatchObject(expected);
    else expect(found).toBeUndefined();
  });

  test("are read from $REGISTRY_AUTH_FILE, else from the files of Docker and then of podman", async () => {
    expect(authFiles({ REGISTRY_AUTH_FILE: "/x", DOCKER_CONFIG: "/d" })).toEqual(["/x"]);
    expect(authFiles({ DOCKER_CONFIG: "/d", XDG_RUNTIME_DIR: "/r", XDG_CONFIG_HOME: "/c" })).toEqual([
      "/d/config.json",
      "/r/containers/auth.json",
      "/c/containers/auth.json",
    ]);
    expect(
      await userCredentials({ DOCKER_CONFIG: "/nonexistent", XDG_CONFIG_HOME: "/nonexistent" }).find("a.b"),
    ).toBeUndefined();
  });

  test("a broken file is an error that names the file and shows none of its content", async () => {
    const { env, file } = await home();
    await writeFile(file, '{"auths": {"a.b": {"auth": "c2VjcmV0"');
    await rejects(userCredentials(env).find("a.b"), "CONFIG_INVALID");
    await expect(userCredentials(env).find("a.b")).rejects.toThrow(file);
    await expect(userCredentials(env).find("a.b")).rejects.not.toThrow(/c2V/);
  });

  test("are saved for their owner alone, without changing other entries, and removed under every name", async () => {
    const { env, file } = await home({ psFormat: "x", auths: { "other.io": { auth: "b3RoZXI6eA==" } } });
    expect(await saveLogin(file, "docker.io", { username: "me", password: "p:w" })).toEqual({
      where: file,
      plain: true,
    });
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    const written = JSON.parse(await readFile(file, "utf8"));
    expect([written.psFormat, Object.keys(written.auths)]).toEqual(["x", ["other.io", "https://index.docker.io/v1/"]]);
    expect(await userCredentials(env).find("docker.io")).toMatchObject({ username: "me", password: "p:w", from: file });
    expect(await removeLogin(file, "docker.io")).toBe(true);
    expect(await removeLogin(file, "docker.io")).toBe(false);
    expect(await userCredentials(env).find("docker.io")).toBeUndefined();
    expect(await userCredentials(env).find("other.io")).toMatchObject({ username: "other" });
  });

  test("logins at the same time are all saved, and the Hub is saved once", async () => {
    const { env, file } = await home({ auths: { "docker.io": { auth: auth("old:x") } } });
    const hosts = ["a.b", "c.d", "e.f", "g.h", "docker.io"];
    await Promise.all(hosts.map((host) => saveLogin(file, host, { username: "me", password: "new" })));
    for (const host of hosts)
      expect(await userCredentials(env).find(host)).toMatchObject({ username: "me", password: "new" });
    expect(Object.keys(JSON.parse(await readFile(file, "utf8")).auths)).toHaveLength(hosts.length);
  });

  test("a file that cannot be read is not overwritten", async () => {
    const work = await temporary();
    // A directory in its place cannot be read, even by root.
    await mkdir(join(work, "config.json"));
    await rejects(saveLogin(join(work, "config.json"), "a.b", { username: "me", password: "x" }), "CONFIG_INVALID");
  });

  test("a file that is a symbolic link stays one", async () => {
    const work = await temporary();
    const [real, link] = [join(work, "real.json"), join(work, "link.json")];
    await writeFile(real, "{}");
    await symlink(real, link);
    await saveLogin(link, "a.b", { username: "me", password: "x" });
    expect(JSON.parse(await readFile(real, "utf8")).auths["a.b"]).toBeDefined();
    expect((await lstat(link)).isSymbolicLink()).toBe(true);
  });

  test("changes through several symbolic links to one file at the same time are all kept", async () => {
    const work = await temporary();
    const real = join(work, "real.json");
    await writeFile(real, "{}");
    const links = await Promise.all(
      ["one", "two"].map(async (name) => {
        await mkdir(join(work, name));
        await symlink(real, join(work, name, "config.json"));
        return join(work, name, "config.json");
      }),
    );
    const hosts = Array.from({ length: 20 }, (_, at) => `h${at}.test`);
    await Promise.all(hosts.map((host, at) => saveLogin(links[at % 2]!, host, { username: "me", password: "x" })));
    expect(Object.keys(JSON.parse(await readFile(real, "utf8")).auths).sort()).toEqual([...hosts].sort());
    for (const link of links) expect((await lstat(link)).isSymbolicLink()).toBe(true);
    expect((await readdir(work)).sort()).toEqual(["one", "real.json", "two"]);
  });

  test("after a write only the owner can read the file, and leftovers of killed processes are removed", async () => {
    const work = await temporary();
    const file = join(work, "config.json");
    await writeFile(file, "{}", { mode: 0o644 });
    // A leftover of another host, whose processes cannot be checked, two days old.
    const leftover = join(work, temporaryName("config.json").replace(/[0-9a-f]{8}/, "00000000"));
    await writeFile(leftover, "secret");
    const old = Date.now() / 1000 - 2 * 24 * 60 * 60;
    await utimes(leftover, old, old);
    await writeFile(join(work, "config.json.old"), "of the user");
    await saveLogin(file, "a.b", { username: "me", password: "x" });
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect((await readdir(work)).sort()).toEqual(["config.json", "config.json.old"]);
  });
});

describe("credential helpers", () => {
  test("that fail to erase an entry cause an error, and are not taken for helpers without the entry", async () => {
    const { env, file, bin } = await home(
      { credsStore: "test", auths: { "a.b": {} } },
      'cat >/dev/null; case "$1" in get) echo \'{"Username":"me","Secret":"s"}\';; *) echo "keychain is locked"; exit 1;; esac',
    );
    await withPath(bin, async () => {
      await rejects(removeLogin(file, "a.b"), "HELPER_FAILED");
      expect(await userCredentials(env).find("a.b")).toMatchObject({ username: "me" });
    });
    const broken = await home(
      { credsStore: "test" },
      "cat >/dev/null; echo 'exec: pass: executable file not found in PATH'; exit 1",
    );
    await withPath(broken.bin, async () => {
      await rejects(userCredentials(broken.env).find("a.b"), "HELPER_FAILED");
    });
  });

  const store = `
case "$1" in
  get) read -r server; echo "$server" >>"$0.asked"; [ -f "$0.kept" ] || { echo "credentials not found in native keychain"; exit 1; }; cat "$0.kept";;
  store) cat >"$0.kept";;
  erase) cat >/dev/null; rm -f "$0.kept";;
esac`;

  test("store, return and erase entries; the helper of a host goes before the one for all hosts", async () => {
    const { env, file, bin } = await home({ credsStore: "absent", credHelpers: { "a.b": "test" } }, store);
    await withPath(bin, async () => {
      expect(await userCredentials(env).find("a.b")).toBeUndefined();
      expect(await saveLogin(file, "a.b", { username: "me", password: "secret" })).toEqual({
        where: "docker-credential-test",
        plain: false,
      });
      expect(await readFile(file, "utf8")).not.toContain("secret");
      expect(await userCredentials(env).find("a.b")).toMatchObject({ username: "me", password: "secret" });
      await rejects(userCredentials(env).find("c.d"), "HELPER_FAILED");
      expect(await removeLogin(file, "a.b")).toBe(true);
      expect(await userCredentials(env).find("a.b")).toBeUndefined();
    });
  });

  test("are asked for the Hub by Docker's name of it, and may return an identity token", async () => {
    const { env, bin } = await home(
      { credsStore: "test" },
      'read -r server; echo "$server" >"$0.asked"; echo \'{"Username":"<token>","Secret":"it"}\'',
    );
    await withPath(bin, async () => {
      expect(await userCredentials(env).find("docker.io")).toMatchObject({ kind: "identity", token: "it" });
    });
    expect(await readFile(join(bin, "docker-credential-test.asked"), "utf8")).toBe("https://index.docker.io/v1/\n");
  });
});

test.each<[string, string, boolean]>([
  ["registry.example.com", "registry.example.com", true],
  ["registry.example.com", "auth.example.com", true],
  ["registry.example.com", "example.com", true],
  ["registry.example.com", "evil-example.com", false],
  ["registry.example.com", "example.com.evil.org", false],
  ["a.co.uk", "b.co.uk", false],
  ["me.github.io", "you.github.io", false],
  ["registry-1.docker.io", "auth.docker.io", true],
  ["registry.gitlab.com", "gitlab.com", true],
  ["10.0.0.1", "10.0.0.2", false],
  ["localhost", "other", false],
])("a password for %s to a token server at %s: %s", async (registry, realm, allowed) => {
  const [from, to] = [new URL(`https://${registry}/v2/`), new URL(`https://${realm}/token`)];
  expect(await mayShareSecrets(from, to)).toBe(allowed);
  expect(await mayShareSecrets(from, to, [to.hostname])).toBe(true);
});
