import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { bytesSource } from "../../src/content/index.ts";
import { parseRepoName, parseTag } from "../../src/reference/index.ts";
import { RemoteRegistry } from "../../src/registry/index.ts";
import { pushImage, randomImage, rejects, startTestRegistry, testBlob } from "../../src/testing/index.ts";
import { dockerRegistry, gantry, main, missing, peer, type Ran, skopeo } from "../support/peers.ts";
import { temporary } from "../support/temporary.ts";
import { guarded, known, tagsOf, tokenServer } from "../support/tokens.ts";

const reason = missing({ programs: ["docker-registry", "skopeo"] });
/** bcrypt of "secret". */
const htpasswd = "me:$2b$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n";

/** Runs the command with a password on stdin. */
function login(password: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<Ran> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [main, "login", ...args], { env: { ...process.env, ...env } });
    const output = { stdout: "", stderr: "" };
    child.stdout.on("data", (data) => {
      output.stdout += data;
    });
    child.stderr.on("data", (data) => {
      output.stderr += data;
    });
    child.on("close", (code) => resolve({ code: code ?? 1, ...output }));
    child.stdin.end(password);
  });
}

describe.skipIf(reason)(`docker-registry with Basic authentication${reason ? `: ${reason}` : ""}`, () => {
  test("login, push, pull, ls, logout; skopeo reads what login wrote, and agrees", async () => {
    const work = await temporary();
    await writeFile(join(work, "htpasswd"), htpasswd);
    const host = await dockerRegistry(join(work, "registry"), [
      `auth: { htpasswd: { realm: test, path: ${work}/htpasswd } }`,
    ]);
    await mkdir(join(work, "docker"));
    const env = {
      DOCKER_CONFIG: join(work, "docker"),
      XDG_CONFIG_HOME: join(work, "none"),
      GANTRY_STORE: join(work, "store"),
    };
    const run = (...args: string[]) => gantry(args, { env });
    const file = join(work, "docker/config.json");
    await using source = await startTestRegistry();
    const { digest } = await pushImage(source.registry, "app", randomImage(), "v1");
    const refused = await run("cp", `${source.host}/app:v1`, `${host}/team/app:v1`);
    expect([refused.code, refused.stderr]).toEqual([4, expect.stringContaining("gantry login")]);
    const wrong = await login("wrong", ["-u", "me", "--password-stdin", host], env);
    expect([wrong.code, existsSync(file)]).toEqual([4, false]);
    expect((await login("secret", ["-u", "me", host], env)).code).toBe(2);
    const right = await login("secret\n", ["-u", "me", "--password-stdin", host], env);
    expect(right).toMatchObject({ code: 0, stdout: `logged in to ${host}\n` });
    expect(right.stderr).toContain("not encrypted");
    expect(await run("cp", "--progress", "none", `${source.host}/app:v1`, `${host}/team/app:v1`)).toMatchObject({
      code: 0,
    });
    expect(await run("pull", "--progress", "none", `${host}/team/app:v1`)).toMatchObject({
      code: 0,
      stdout: `${digest}\n`,
    });
    expect((await run("ls", `${host}/team/app`)).stdout).toBe("v1\n");
    const inspected = await skopeo(
      "inspect",
      "--authfile",
      file,
      "--tls-verify=false",
      "--raw",
      `docker://${host}/team/app:v1`,
    );
    expect(inspected).toBe((await run("manifest", `${host}/team/app:v1`)).stdout);
    // What skopeo keeps, we read.
    const other = join(work, "auth.json");
    await skopeo("login", "--authfile", other, "--tls-verify=false", "-u", "me", "-p", "secret", host);
    expect(
      (await gantry(["digest", `${host}/team/app:v1`], { env: { ...env, REGISTRY_AUTH_FILE: other } })).stdout,
    ).toBe(`${digest}\n`);
    const debug = await run("digest", "--debug", `${host}/team/app:v1`);
    for (const secret of ["secret", Buffer.from("me:secret").toString("base64")])
      expect(debug.stderr).not.toContain(secret);
    expect(await run("logout", host)).toMatchObject({ code: 0, stdout: `logged out of ${host}\n` });
    expect(readFileSync(file, "utf8")).not.toContain(host);
    expect((await run("digest", `${host}/team/app:v1`)).code).toBe(4);
  });
});

const noTls = reason ?? missing({ programs: ["openssl"] });

test.skipIf(noTls)(
  `docker-registry behind TLS, a private CA and Basic authentication${noTls ? `: ${noTls}` : ""}`,
  async () => {
    const work = await temporary();
    const script = `
    cd "${work}"; openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=test-ca -keyout ca.key -out ca.pem
    openssl req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout key.pem -out request.pem
    printf 'subjectAltName=DNS:localhost,IP:127.0.0.1' >names
    openssl x509 -req -in request.pem -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out cert.pem`;
    await peer("bash", ["-ec", script]);
    await writeFile(join(work, "htpasswd"), htpasswd);
    const tls = { certificate: join(work, "cert.pem"), key: join(work, "key.pem") };
    const host = await dockerRegistry(
      join(work, "registry"),
      [`auth: { htpasswd: { realm: test, path: ${work}/htpasswd } }`],
      tls,
    );
    await mkdir(join(work, "docker"));
    const env = { DOCKER_CONFIG: join(work, "docker"), XDG_CONFIG_HOME: join(work, "none"), NODE_EXTRA_CA_CERTS: "" };
    const ca = ["--ca-file", join(work, "ca.pem")];
    expect((await login("secret", ["-u", "me", "--password-stdin", host], env)).stderr).toContain("--ca-file");
    expect(await login("secret", ["-u", "me", "--password-stdin", ...ca, host], env)).toMatchObject({ code: 0 });
    await using source = await startTestRegistry();
    const { digest } = await pushImage(source.registry, "app", randomImage(), "v1");
    const pushed = await gantry(["cp", "--progress", "none", ...ca, `${source.host}/app:v1`, `${host}/app:v1`], {
      env,
    });
    expect(pushed).toMatchObject({ code: 0 });
    expect(await gantry(["digest", ...ca, `${host}/app:v1`], { env })).toMatchObject({
      code: 0,
      stdout: `${digest}\n`,
    });
    await mkdir(join(work, "cas"));
    await peer("cp", [join(work, "ca.pem"), join(work, "cas/ca.crt")]);
    expect(await gantry(["digest", "--ca-file", join(work, "cas"), `${host}/app:v1`], { env })).toMatchObject({
      code: 0,
    });
    const refused = await gantry(["digest", `${host}/app:v1`], { env });
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining("TLS_FAILED")]);
    for (const path of ["key.pem", "absent.pem"]) {
      const ran = await gantry(["digest", "--ca-file", join(work, path), `${host}/app:v1`], { env });
      expect([path, ran.code, ran.stderr]).toEqual([path, 2, expect.stringContaining("CONFIG_INVALID")]);
    }
    const judged = await skopeo(
      "inspect",
      "--authfile",
      join(work, "docker/config.json"),
      "--cert-dir",
      join(work, "cas"),
      `docker://${host}/app:v1`,
    ).catch(String);
    expect(judged).toContain(digest);
  },
);

describe("tokens", () => {
  const password = { kind: "password", username: "me", password: "secret" } as const;

  test("a password buys one for each scope, which is kept; it is asked for once", async () => {
    const tokens = await tokenServer();
    const { credentials, asked } = known(password);
    await using _ = { [Symbol.asyncDispose]: async () => registry.close() };
    const registry = new RemoteRegistry(await guarded(tokens), { credentials });
    expect(await tagsOf(registry)).toEqual(["v1"]);
    expect(await tagsOf(registry)).toEqual(["v1"]);
    expect([asked(), tokens.requests.length]).toEqual([1, 1]);
    expect(tokens.requests[0]!.url.searchParams.get("service")).toBe('reg, "quoted"');
    expect(tokens.requests[0]!.url.searchParams.get("scope")).toBe("repository:app:pull");
  });

  test("an identity token goes into the body of a POST, never into an address", async () => {
    const tokens = await tokenServer();
    const registry = new RemoteRegistry(await guarded(tokens), known({ kind: "identity", token: "it" }));
    expect(await tagsOf(registry)).toEqual(["v1"]);
    const [request] = tokens.requests;
    expect([request!.method, request!.url.search, request!.authorization]).toEqual(["POST", "", undefined]);
    expect(Object.fromEntries(new URLSearchParams(request!.body))).toMatchObject({
      grant_type: "refresh_token",
      scope: "repository:app:pull",
      refresh_token: "it",
    });
    await registry.close();
  });

  test("a registry token is sent as it is", async () => {
    const tokens = await tokenServer();
    const registry = new RemoteRegistry(await guarded(tokens), known({ kind: "registry", token: "given" }));
    expect(await tagsOf(registry)).toEqual(["v1"]);
    expect(tokens.requests).toEqual([]);
    await registry.close();
  });

  test("what is refused is UNAUTHORIZED, and is not tried again and again", async () => {
    const tokens = await tokenServer();
    for (const credential of [
      { ...password, password: "no" },
      { kind: "registry", token: "no" },
    ]) {
      const registry = new RemoteRegistry(await guarded(tokens), known(credential));
      await rejects(tagsOf(registry), "UNAUTHORIZED");
      await registry.close();
    }
    expect(tokens.requests).toHaveLength(1);
    const anonymous = new RemoteRegistry(await guarded(tokens));
    await rejects(anonymous.resolveManifest(parseRepoName("app"), parseTag("v1")), "UNAUTHORIZED");
    await anonymous.close();
  });

  test("one that expires while an upload is prepared is renewed before the body goes out", async () => {
    // Tokens are used for five seconds at least, so that one of a second is not asked for all the time.
    const tokens = await tokenServer(1);
    const host = await guarded(tokens, tokens.host, { uploads: true });
    const registry = new RemoteRegistry(host, known(password));
    const { descriptor, bytes } = testBlob("content");
    const slow = {
      replayable: true,
      open: async () => {
        await new Promise((resolve) => setTimeout(resolve, 5_500));
        return bytesSource(descriptor, bytes).open();
      },
    };
    expect(await registry.pushBlob(parseRepoName("app"), descriptor, slow)).toMatchObject({
      digest: descriptor.digest,
    });
    expect(tokens.requests.length).toBeGreaterThan(1);
    await registry.close();
  });

  test("requests that were sent before anybody knew the password are sent again with it, all of them", async () => {
    let first = true;
    const server = createServer((request, response) => {
      const answer = (): void => {
        if (request.headers.authorization) {
          response.setHeader("content-type", "application/json");
          response.end('{"name":"app","tags":["v1"]}');
        } else response.writeHead(401, { "www-authenticate": 'Basic realm="x"' }).end();
      };
      // The first refusal is the last to arrive.
      if (first) setTimeout(answer, 300);
      else answer();
      first = false;
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => void server.close());
    const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    const registry = new RemoteRegistry(host, { ...known(password), insecure: true });
    expect(await Promise.all([tagsOf(registry), tagsOf(registry), tagsOf(registry)])).toEqual([["v1"], ["v1"], ["v1"]]);
    await registry.close();
  });

  test("trouble at the token server is its own, and not taken for a wrong password", async () => {
    for (const [status, code] of [
      [429, "TOO_MANY_REQUESTS"],
      [500, "REGISTRY_ERROR"],
    ] as const) {
      const realm = createServer((_request, response) => void response.writeHead(status, { "retry-after": "0" }).end());
      await new Promise<void>((resolve) => realm.listen(0, "127.0.0.1", resolve));
      onTestFinished(() => void realm.close());
      const at = `127.0.0.1:${(realm.address() as AddressInfo).port}`;
      const registry = new RemoteRegistry(await guarded(await tokenServer(), at), { ...known(password), backoff: 1 });
      await rejects(tagsOf(registry), code);
      await registry.close();
    }
  });
});
