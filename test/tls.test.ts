import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { copyFile, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { MemoryRegistry } from "../src/registry/index.ts";
import { registryHandler } from "../src/server/index.ts";
import { pushImage, randomImage, startTestRegistry } from "../src/testing/index.ts";
import { certificates, listening } from "./support/http.ts";
import { dockerRegistry, freePort, gantry, missing, type Ran } from "./support/peers.ts";
import { temporary } from "./support/temporary.ts";

const reason = missing({ programs: ["openssl", "docker-registry"] });

/** A registry with one image behind TLS of an untrusted CA; the files of the CA, and an environment without others. */
async function tlsRegistry(how: { readonly wantsCertificate?: boolean } = {}) {
  const work = await temporary();
  const files = await certificates(work, "DNS:localhost,IP:127.0.0.1");
  const memory = new MemoryRegistry();
  await pushImage(memory, "app", randomImage(), "v1");
  const { port } = await listening(registryHandler(memory), {
    cert: readFileSync(files.cert),
    key: readFileSync(files.key),
    ...(how.wantsCertificate && { ca: readFileSync(files.ca), requestCert: true, rejectUnauthorized: true }),
  });
  const env = {
    XDG_CONFIG_HOME: work,
    DOCKER_CONFIG: work,
    NODE_EXTRA_CA_CERTS: "",
    SSL_CERT_FILE: "",
    SSL_CERT_DIR: "",
  };
  const run = (args: readonly string[], more: NodeJS.ProcessEnv = {}): Promise<Ran> =>
    gantry(args, { env: { ...env, ...more } });
  /** A directory as in certs.d. */
  const certDir = async (name: string, cert = files.clientCert, key = files.clientKey): Promise<string> => {
    await mkdir(join(work, name));
    await copyFile(files.ca, join(work, name, "ca.crt"));
    await copyFile(cert, join(work, name, "me.cert"));
    await copyFile(key, join(work, name, "me.key"));
    return join(work, name);
  };
  return { work, files, run, certDir, host: `localhost:${port}` };
}

interface Explained {
  readonly endpoints: readonly (Record<string, unknown> & { readonly caFiles: string[]; readonly because: string[] })[];
}

const explained = ({ stdout }: Ran): Explained["endpoints"][number] => (JSON.parse(stdout) as Explained).endpoints[0]!;

describe.skipIf(reason)(`TLS${reason ? ` (${reason})` : ""}`, () => {
  test("the certificates of SSL_CERT_FILE and SSL_CERT_DIR are trusted too, and explain shows them", async () => {
    const { work, files, run, host } = await tlsRegistry();
    const stranger = await run(["ls", `${host}/app`]);
    expect([stranger.code, stranger.stderr]).toEqual([1, expect.stringContaining("[TLS_FAILED]")]);
    const [directory, other] = [join(work, "roots"), join(work, "none")];
    await mkdir(directory);
    await copyFile(files.ca, join(directory, "a.pem"));
    // Other files in the directory are no fault.
    await writeFile(join(directory, "b.pem"), "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    await writeFile(join(directory, "readme"), "text");
    execFileSync("mkfifo", [join(directory, "fifo")]);
    await mkdir(join(directory, "below"));
    for (const [more, paths] of [
      [{ SSL_CERT_FILE: files.ca }, [files.ca]],
      [{ SSL_CERT_DIR: directory }, [directory]],
      [{ SSL_CERT_FILE: join(work, "absent"), SSL_CERT_DIR: `${other}:${directory}` }, [directory]],
      [{ SSL_CERT_FILE: files.ca, SSL_CERT_DIR: directory }, [files.ca, directory]],
    ] as const) {
      const listed = await run(["ls", `${host}/app`], more);
      expect([more, listed.code, listed.stdout], listed.stderr).toEqual([more, 0, "v1\n"]);
      const { caFiles, because } = explained(await run(["explain", "--json", `${host}/app`], more));
      expect(caFiles).toEqual(paths);
      for (const variable of because) expect(Object.keys(more)).toContain(variable);
      expect(because).toHaveLength(paths.length);
      const shown = (await run(["explain", `${host}/app`], more)).stdout;
      expect(shown).toMatch(new RegExp(`also trusts +${paths.join(", ")}\n`));
    }
    // They are trusted beside the certificates of the flag.
    const beside = await run(["ls", "--ca-file", files.ca, `${host}/app`], { SSL_CERT_DIR: other });
    expect(beside.code, beside.stderr).toBe(0);
    const wrong = await run(["ls", `${host}/app`], { SSL_CERT_FILE: join(directory, "readme") });
    expect([wrong.code, wrong.stderr]).toEqual([
      2,
      expect.stringContaining(`${join(directory, "readme")} cannot be used`),
    ]);
  });

  test("a missing client certificate is an error that names the flag, and a wrong one is an error", async () => {
    const { files, certDir } = await tlsRegistry();
    const right = await certDir("right");
    const strangers = await certificates(await temporary(), "DNS:localhost");
    const wrong = await certDir("wrong", strangers.clientCert, strangers.clientKey);
    const asking = await tlsRegistry({ wantsCertificate: true });
    const own = await asking.certDir("own");
    const tls = { certificate: files.cert, key: files.key, clientCas: files.ca };
    const docker = (await dockerRegistry(await temporary(), [], tls)).replace("127.0.0.1", "localhost");
    const { run } = asking;
    const none = await run(["catalog", "--ca-file", files.ca, docker]);
    expect([none.code, none.stderr]).toEqual([1, expect.stringMatching(/--cert-dir .*\[(TLS|CONNECTION)_FAILED\]/)]);
    const refused = await run(["catalog", "--cert-dir", wrong, docker]);
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringMatching(/\[(TLS|CONNECTION)_FAILED\]/)]);
    const let_in = await run(["catalog", "--cert-dir", right, docker]);
    expect(let_in.code, let_in.stderr).toBe(0);
    // A server of Node closes the connection without an alert.
    const cut = await run(["ls", "--ca-file", asking.files.ca, `${asking.host}/app`]);
    expect([cut.code, cut.stderr]).toEqual([1, expect.stringContaining("--cert-dir")]);
    const listed = await run(["ls", "--cert-dir", own, `${asking.host}/app`]);
    expect([listed.code, listed.stdout], listed.stderr).toEqual([0, "v1\n"]);
  });

  test("explain shows the files of --cert-dir, and whether a host of this machine speaks http or https", async () => {
    const { run, certDir, host } = await tlsRegistry();
    const directory = await certDir("certs");
    await using plain = await startTestRegistry();
    const dead = `127.0.0.1:${await freePort()}`;
    const secure = await run(["explain", "--json", "--cert-dir", directory, `${host}/app`]);
    expect(explained(secure)).toMatchObject({
      url: `https://${host}/v2/`,
      protocol: "https",
      tls: "verified",
      caFiles: [join(directory, "ca.crt")],
      clientCertificate: join(directory, "me.cert"),
    });
    const shown = (await run(["explain", "--cert-dir", directory, `${host}/app`])).stdout;
    expect(shown).toMatch(/scheme +https, found out by a request/);
    expect(shown).toContain(join(directory, "me.cert"));
    const http = await run(["explain", "--json", `${plain.host}/app`]);
    expect(explained(http)).toMatchObject({ url: `http://${plain.host}/v2/`, protocol: "http", tls: "none" });
    expect((await run(["explain", `${plain.host}/app`])).stdout).toMatch(/scheme +http, found out by a request/);
    // Without secrets, and nothing but that.
    expect(plain.requests.map(({ method, path }) => `${method} ${path}`)).toEqual(["GET /v2/", "GET /v2/"]);
    expect(plain.requests.every(({ headers }) => headers.authorization === undefined)).toBe(true);
    const unknown = explained(await run(["explain", "--json", `${dead}/app`]));
    expect(unknown).toMatchObject({ asksProtocol: true, protocolFault: expect.stringContaining("ECONNREFUSED") });
    expect(unknown["protocol"]).toBeUndefined();
    expect((await run(["explain", `${dead}/app`])).stdout).toMatch(
      /scheme +http or https, to be found out by.*ECONNREFUSED/,
    );
    // Other hosts are not asked.
    expect((await run(["explain", "registry.invalid/app"])).stdout).toMatch(/scheme +https\n/);
    expect((await run(["explain", "--insecure", "registry.invalid/app"])).stdout).toMatch(
      /scheme +http or https, to be found out by/,
    );
    expect((await run(["explain", "--cert-dir", join(directory, "none"), `${host}/app`])).code).toBe(2);
  });
});
