import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { temporary } from "../../test/support/temporary.ts";
import { parseRepoName } from "../reference/reference.ts";
import { rejects } from "../testing/index.ts";
import { userHosts } from "./hosts.ts";
import { resolveShortName } from "./short-names.ts";

const repo = parseRepoName("team/app");

/** A machine: files below a directory, and the environment that points there. */
async function machine(files: Readonly<Record<string, string>>): Promise<{ root: string; env: NodeJS.ProcessEnv }> {
  const root = await temporary();
  await mkdir(join(root, "hosts"));
  for (const [name, text] of Object.entries({ "registries.conf": "", ...files })) {
    await mkdir(dirname(join(root, name)), { recursive: true });
    await writeFile(join(root, name), text);
  }
  const env = {
    GANTRY_HOSTS_DIR: join(root, "hosts"),
    CONTAINERS_REGISTRIES_CONF: join(root, "registries.conf"),
    XDG_CONFIG_HOME: join(root, "config"),
  };
  return { root, env };
}

/** The endpoints of a host, as short lines. */
async function lines(files: Readonly<Record<string, string>>, host = "reg.example:5000"): Promise<string[]> {
  const { env } = await machine(files);
  const { endpoints } = await userHosts(env).routes(host, repo);
  return endpoints.map((endpoint) =>
    [
      endpoint.mirror ? "mirror" : "itself",
      endpoint.url?.href ?? `default of ${endpoint.host}`,
      endpoint.repo,
      endpoint.capabilities.join("+"),
      endpoint.only ?? "",
      [endpoint.insecure && "insecure", endpoint.skipVerify && "skip", endpoint.final && "final"]
        .filter(Boolean)
        .join("+"),
    ].join(" "),
  );
}

const all = "pull+resolve+push+referrers+list";

describe("hosts.toml of containerd", () => {
  test("without configuration, the only endpoint is the registry itself", async () => {
    expect(await lines({})).toEqual([`itself default of reg.example:5000 team/app ${all}  `]);
  });

  test("gives the hosts in the order of the file, then the server, with paths, capabilities and defaults", async () => {
    const file = `
server = "https://reg.example:5000"
[host."https://one.example"]
  capabilities = ["pull", "RESOLVE"]
[host."http://two.example:81/prefix"]
  skip_verify = true
[host."three.example/api/v2"]
[host."https://four.example/as/is"]
  override_path = true
  capabilities = ["pull"]
`;
    expect(await lines({ "hosts/reg.example_5000_/hosts.toml": file })).toEqual([
      "mirror https://one.example/v2/ team/app pull+resolve  ",
      "mirror http://two.example:81/prefix/v2/ team/app pull+resolve+referrers  skip",
      "mirror https://three.example/api/v2/ team/app pull+resolve+referrers  ",
      "mirror https://four.example/as/is/ team/app pull  ",
      `itself https://reg.example:5000/v2/ team/app ${all}  `,
    ]);
  });

  test("without a server the registry itself is last; a server with another host replaces it", async () => {
    const mirror = '[host."https://one.example"]\ncapabilities = ["pull"]\n';
    expect(await lines({ "hosts/reg.example:5000/hosts.toml": mirror })).toEqual([
      "mirror https://one.example/v2/ team/app pull  ",
      `itself https://reg.example:5000/v2/ team/app ${all}  `,
    ]);
    expect(await lines({ "hosts/_default/hosts.toml": 'server = "https://only.example"' })).toEqual([
      "mirror https://only.example/v2/ team/app pull+resolve+push+referrers+list  ",
    ]);
    expect(await lines({ "hosts/docker.io/hosts.toml": mirror }, "docker.io")).toEqual([
      "mirror https://one.example/v2/ team/app pull  ",
      `itself https://registry-1.docker.io/v2/ team/app ${all}  `,
    ]);
  });

  test("gives certificates relative to the directory, headers, and to a mirror the registry that it stands in for", async () => {
    const file = `
[host."https://one.example"]
  ca = ["ca.pem", "/abs/ca.pem"]
  client = [["me.cert", "me.key"], ["other.cert", ""]]
  [host."https://one.example".header]
    X-Key = ["a", "b"]
`;
    const { root, env } = await machine({ "hosts/reg.example_5000_/hosts.toml": file });
    const { endpoints } = await userHosts(env).routes("reg.example:5000", repo);
    const directory = join(root, "hosts/reg.example_5000_");
    expect(endpoints[0]).toMatchObject({
      caFiles: [join(directory, "ca.pem"), "/abs/ca.pem"],
      clientCertificate: { cert: join(directory, "me.cert"), key: join(directory, "me.key") },
      headers: { "x-key": "a, b" },
      namespace: "reg.example:5000",
      host: "one.example",
      from: [join(directory, "hosts.toml")],
    });
    expect(endpoints[1]!.namespace).toBeUndefined();
  });

  test("a directory without hosts.toml configures only certificates", async () => {
    const files = { "a.crt": "", "me.cert": "", "me.key": "" };
    const { root, env } = await machine(
      Object.fromEntries(Object.keys(files).map((name) => [`hosts/reg.example_5000_/${name}`, "x"])),
    );
    const { endpoints } = await userHosts(env).routes("reg.example:5000", repo);
    const directory = join(root, "hosts/reg.example_5000_");
    expect(endpoints).toEqual([
      expect.objectContaining({
        mirror: false,
        caFiles: [join(directory, "a.crt")],
        clientCertificate: { cert: join(directory, "me.cert"), key: join(directory, "me.key") },
      }),
    ]);
  });

  test.each([
    ["not TOML", "server = "],
    ["an unknown capability", '[host."https://a"]\ncapabilities = ["fly"]'],
    ["a flag of another type", '[host."https://a"]\nskip_verify = "yes"'],
    ["an address without a host", '[host."https://"]'],
    ["a password in an address", '[host."https://me:secret@a"]'],
    ["a client of another shape", '[host."https://a"]\nclient = 3'],
  ])("%s is an error that names the file", async (_name, text) => {
    const { env } = await machine({ "hosts/reg.example_5000_/hosts.toml": text });
    const asked = userHosts(env).routes("reg.example:5000", repo);
    await rejects(asked, "CONFIG_INVALID");
    await expect(asked).rejects.toThrow(/hosts\.toml/);
    await expect(asked).rejects.not.toThrow(/secret/);
  });
});

describe("registries.conf of podman", () => {
  const conf = (text: string): Record<string, string> => ({ "registries.conf": text });

  test("gives the mirrors in their order, then the registry; the longest prefix that ends at a slash decides", async () => {
    const text = `
[[registry]]
location = "reg.example:5000"
[[registry.mirror]]
location = "mirror.example/hub"
insecure = true
[[registry.mirror]]
location = "second.example"
pull-from-mirror = "digest-only"
[[registry]]
prefix = "reg.example:5000/team"
location = "reg.example:5000/team"
[[registry.mirror]]
location = "team.example/x"
pull-from-mirror = "tag-only"
[[registry]]
location = "reg.example:5000/te"
blocked = true
`;
    expect(await lines(conf(text))).toEqual([
      "mirror default of team.example x/app pull+resolve tags ",
      `itself default of reg.example:5000 team/app ${all}  `,
    ]);
    const { env } = await machine(conf(text));
    const { endpoints } = await userHosts(env).routes("reg.example:5000", parseRepoName("other"));
    expect(endpoints.map(({ host, repo, only, insecure }) => [host, repo, only, insecure])).toEqual([
      ["mirror.example", "hub/other", undefined, true],
      ["second.example", "other", "digests", undefined],
      ["reg.example:5000", "other", undefined, undefined],
    ]);
  });

  test("a location other than the registry is read from, and never written to", async () => {
    const text = '[[registry]]\nprefix = "reg.example:5000"\nlocation = "moved.example/old"\ninsecure = true';
    expect(await lines(conf(text))).toEqual([
      "mirror default of moved.example old/team/app pull+resolve+referrers  insecure+final",
      "itself default of reg.example:5000 team/app push+list  ",
    ]);
  });

  test("wildcards match subdomains; later drop-in files replace entries with the same prefix", async () => {
    const files = {
      "registries.conf": '[[registry]]\nprefix = "*.example"\nblocked = true\n',
      "config/containers/registries.conf.d/1.conf": '[[registry]]\nlocation = "reg.example:5000"\ninsecure = true\n',
      "config/containers/registries.conf.d/2.conf": '[[registry]]\nlocation = "reg.example:5000"\n',
      "config/containers/registries.conf.d/3.txt": "not read",
    };
    const { env } = await machine(files);
    expect((await userHosts(env).routes("a.b.example", repo)).blockedBy).toBe(env["CONTAINERS_REGISTRIES_CONF"]);
    expect((await userHosts(env).routes("example", repo)).blockedBy).toBeUndefined();
    const found = await userHosts(env).routes("reg.example:5000", repo);
    expect(found.blockedBy).toBeUndefined();
    expect(found.endpoints[0]!.insecure).toBeUndefined();
  });

  test("hosts.toml goes before registries.conf, except for blocked", async () => {
    const files = {
      "registries.conf": '[[registry]]\nlocation = "reg.example:5000"\nblocked = true\n',
      "hosts/reg.example_5000_/hosts.toml": 'server = "https://reg.example:5000"',
    };
    expect(await lines(files)).toEqual([`itself https://reg.example:5000/v2/ team/app ${all}  `]);
    // A blocked registry stays blocked, whatever other files configure.
    const { env } = await machine(files);
    expect((await userHosts(env).routes("reg.example:5000", repo)).blockedBy).toBe(env["CONTAINERS_REGISTRIES_CONF"]);
  });

  test("a slash at the end of a prefix or a location is ignored", async () => {
    const text = '[[registry]]\nprefix = "reg.example:5000/"\nlocation = "moved.example/old/"\nblocked = true';
    const { env } = await machine(conf(text));
    const found = await userHosts(env).routes("reg.example:5000", repo);
    expect([found.blockedBy, found.endpoints[0]!.repo]).toEqual([env["CONTAINERS_REGISTRIES_CONF"], "old/team/app"]);
  });

  test("a missing file or directory that a variable names is an error", async () => {
    const { root, env } = await machine({});
    for (const name of ["CONTAINERS_REGISTRIES_CONF", "GANTRY_HOSTS_DIR"]) {
      const asked = userHosts({ ...env, [name]: join(root, "nope") }).routes("reg.example:5000", repo);
      await rejects(asked, "CONFIG_INVALID");
      await expect(asked).rejects.toThrow(name);
    }
  });

  test.each([
    [
      "two different entries for one prefix",
      '[[registry]]\nlocation = "reg.example:5000"\nblocked = true\n[[registry]]\nlocation = "reg.example:5000"',
    ],
    ["a location with a scheme", '[[registry]]\nlocation = "https://reg.example:5000"'],
    [
      "a mirror with a scheme",
      '[[registry]]\nlocation = "reg.example:5000"\n[[registry.mirror]]\nlocation = "https://a"',
    ],
    ["the format of version 1", '[registries.search]\nregistries = ["docker.io"]'],
    ["an entry without a name", "[[registry]]\ninsecure = true"],
    [
      "a mirror without a location",
      '[[registry]]\nlocation = "reg.example:5000"\n[[registry.mirror]]\ninsecure = true',
    ],
    [
      "an unknown pull-from-mirror",
      '[[registry]]\nlocation = "reg.example:5000"\n[[registry.mirror]]\nlocation = "a"\npull-from-mirror = "no"',
    ],
    [
      "a location whose repository has an invalid name",
      '[[registry]]\nlocation = "reg.example:5000"\n[[registry.mirror]]\nlocation = "a/B"',
    ],
  ])("%s is an error", async (_name, text) => {
    const { env } = await machine(conf(text));
    await expect(userHosts(env).routes("reg.example:5000", repo)).rejects.toMatchObject({ name: "GantryError" });
  });
});

describe("certs.d of Docker and podman", () => {
  test("the first directory of a host, with its port, is used", async () => {
    const { root, env } = await machine({
      "config/containers/certs.d/reg.example:5000/ca.crt": "x",
      "config/containers/certs.d/reg.example:5000/a.cert": "x",
      "config/containers/certs.d/reg.example:5000/a.key": "x",
      "config/docker/certs.d/reg.example:5000/other.crt": "x",
    });
    const directory = join(root, "config/containers/certs.d/reg.example:5000");
    const { endpoints } = await userHosts(env).routes("reg.example:5000", repo);
    expect(endpoints).toEqual([
      expect.objectContaining({
        caFiles: [join(directory, "ca.crt")],
        clientCertificate: { cert: join(directory, "a.cert"), key: join(directory, "a.key") },
        from: [directory],
      }),
    ]);
    expect((await userHosts(env).routes("reg.example", repo)).endpoints[0]!.caFiles).toBeUndefined();
  });

  test("a certificate without its key, and a key without its certificate, are errors", async () => {
    for (const name of ["a.cert", "a.key"]) {
      const { env } = await machine({ [`config/docker/certs.d/reg.example:5000/${name}`]: "x" });
      await rejects(userHosts(env).routes("reg.example:5000", repo), "CONFIG_INVALID");
    }
  });
});

describe("the proxy of Docker Hub", () => {
  const routes = async (env: NodeJS.ProcessEnv): Promise<(string | undefined)[]> => {
    const { endpoints } = await userHosts({ ...(await machine({})).env, ...env }).routes("docker.io", repo);
    return endpoints.map(
      ({ url, host, capabilities, final }) => `${url ?? host} ${capabilities.join("+")} ${final ?? ""}`,
    );
  };

  test("gets reads and lists, and its answer is final; writes go to the Hub", async () => {
    const expected = (url: string): string[] => [`${url} pull+resolve+referrers+list true`, "docker.io push "];
    expect(await routes({ DOCKERHUB_PUBLIC_PROXY: "https://proxy.example" })).toEqual(
      expected("https://proxy.example/v2/"),
    );
    expect(await routes({ DOCKERHUB_PUBLIC_PROXY: "//proxy.example:5000/" })).toEqual(
      expected("https://proxy.example:5000/v2/"),
    );
    expect(await routes({ DOCKERHUB_PUBLIC_PROXY: "http://127.0.0.1:5000" })).toEqual(
      expected("http://127.0.0.1:5000/v2/"),
    );
    expect(await routes({ DOCKERHUB_PUBLIC_PROXY_HOST: "proxy.example:5000" })).toEqual(
      expected("https://proxy.example:5000/v2/"),
    );
    expect(
      await routes({ DOCKERHUB_PUBLIC_PROXY: "https://a.example", DOCKERHUB_PUBLIC_PROXY_HOST: "b.example" }),
    ).toEqual(expected("https://a.example/v2/"));
    expect(await routes({ DOCKERHUB_PUBLIC_PROXY: "" })).toEqual([`docker.io ${all} `]);
  });

  test.each([
    ["no host", "proxy.example"],
    ["no host", "proxy.example:5000"],
    ["no host", "https://"],
    ["no host", "https:///v2"],
    ["the unknown scheme", "ftp://proxy.example"],
    ["a path", "https://proxy.example/hub"],
    ["more than", "https://me:secret@proxy.example"],
  ])("%s: %s is an error", async (why, value) => {
    const asked = routes({ DOCKERHUB_PUBLIC_PROXY: value });
    await rejects(asked, "CONFIG_INVALID");
    await expect(asked).rejects.toThrow(`DOCKERHUB_PUBLIC_PROXY has ${why}`);
  });

  test.each(["me:secret@proxy.example", "proxy.example/x", ""])(
    "a value of _HOST that is more than a host is an error, an empty one is ignored: %j",
    async (value) => {
      const asked = routes({ DOCKERHUB_PUBLIC_PROXY_HOST: value });
      if (value === "") return expect(await asked).toEqual([`docker.io ${all} `]);
      await rejects(asked, "CONFIG_INVALID");
      await expect(asked).rejects.toThrow("DOCKERHUB_PUBLIC_PROXY_HOST");
      await expect(asked).rejects.not.toThrow("secret");
    },
  );

  test("is for docker.io alone", async () => {
    const source = userHosts({ ...(await machine({})).env, DOCKERHUB_PUBLIC_PROXY: "https://proxy.example" });
    expect((await source.routes("ghcr.io", repo)).endpoints[0]!.url).toBeUndefined();
  });
});

describe("short names", () => {
  const env = async (text: string): Promise<NodeJS.ProcessEnv> => (await machine({ "registries.conf": text })).env;

  test("an alias keeps the tag and the digest; names with a host stay", async () => {
    const conf = await env(
      'unqualified-search-registries = ["search.example"]\n[aliases]\n"app" = "reg.example:5000/team/app"\n"a/b" = "reg.example/c"',
    );
    const digest = `sha256:${"a".repeat(64)}`;
    const rows = {
      app: "reg.example:5000/team/app",
      "app:v1": "reg.example:5000/team/app:v1",
      [`app:v1@${digest}`]: `reg.example:5000/team/app:v1@${digest}`,
      "a/b:x": "reg.example/c:x",
      other: "search.example/other",
      "team/other:1": "search.example/team/other:1",
      "ghcr.io/app:v1": "ghcr.io/app:v1",
      "localhost/app": "localhost/app",
      "docker.io/app": "docker.io/app",
      "docker.io/library/app:1": "docker.io/library/app:1",
    };
    for (const [text, name] of Object.entries(rows))
      expect([text, await resolveShortName(text, conf)]).toEqual([text, name]);
  });

  test("with several registries to search, the user must choose; with none, the name stays unchanged", async () => {
    const conf = await env('unqualified-search-registries = ["one.example", "two.example"]');
    await rejects(resolveShortName("app", conf), "USAGE");
    expect(await resolveShortName("app", await env(""))).toBe("app");
  });
});
