import { spawn } from "node:child_process";
import { copyFile, mkdir, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { userCredentials } from "../../src/config/index.ts";
import { parseRepoName, parseTag } from "../../src/reference/index.ts";
import { MemoryRegistry, type RemoteOptions, RemoteRegistry } from "../../src/registry/index.ts";
import { registryHandler } from "../../src/server/index.ts";
import { listen } from "../../src/server/serve.ts";
import { mediaTypes } from "../../src/spec/index.ts";
import {
  pushImage,
  randomImage,
  seededBytes,
  startTestRegistry,
  testImage,
  testLayer,
} from "../../src/testing/index.ts";
import { certificates } from "../support/http.ts";
import { dockerRegistry, freePort, gantry, missing, type Ran, skopeo } from "../support/peers.ts";
import { temporary } from "../support/temporary.ts";
import { tokenIssuer } from "../support/token-issuer.ts";

const reason = missing({ programs: ["docker-registry", "skopeo", "openssl", "nginx"] });

interface Place {
  readonly host: string;
  /** Flags of gantry, and the environment that it runs in. */
  readonly flags?: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  readonly skopeo: readonly string[];
  readonly options?: RemoteOptions;
  /** Whether it lists referrers itself, so that no tag has to. */
  readonly listsReferrers: boolean;
}

/** A user's day: from a registry into the store, from there to the place, and what one does with an image there. */
async function everyday(place: Place): Promise<void> {
  const { host, flags = [], env = {}, options = {} } = place;
  const run = (...args: string[]): Promise<Ran> => gantry([args[0]!, ...flags, ...args.slice(1)], { env });
  const work = await temporary();
  const store = ["--store", join(work, "store")];
  await using source = await startTestRegistry();
  // One layer is longer than what goes in one request.
  const image = testImage(
    [36_000_000, 1_000].map((size, at) =>
      testLayer([{ name: `f${at}`, data: seededBytes(size, at + 1) }], { gzip: false }),
    ),
  );
  const { digest } = await pushImage(source.registry, "app", image, "v1");
  const name = `${host}/team/app`;
  expect((await gantry(["pull", ...store, "--progress", "none", `${source.host}/app:v1`])).code).toBe(0);
  const pushed = await run("push", ...store, "--progress", "plain", `${source.host}/app:v1`, `${name}:v1`);
  expect([pushed.code, pushed.stdout], pushed.stderr).toEqual([0, `${digest}\n`]);
  expect((await run("tag", `${name}:v1`, "v1.10.0", "v1.9.0")).code).toBe(0);
  expect((await run("ls", "--sort", "semver", name)).stdout).toBe("v1\nv1.9.0\nv1.10.0\n");
  expect((await run("ls", "--sort", "semver", "--max", "1", name)).stdout).toBe("v1.10.0\n");
  expect((await run("digest", `${name}:v1.10.0`)).stdout).toBe(`${digest}\n`);
  for (const tag of ["v1", "v1.9.0"]) {
    const seen = JSON.parse(await skopeo("inspect", ...place.skopeo, `docker://${name}:${tag}`));
    expect([tag, seen.Digest, seen.Layers]).toEqual([
      tag,
      digest,
      image.blobs.slice(1).map(({ descriptor }) => descriptor.digest),
    ]);
  }
  // skopeo takes it from there whole, and it is the same.
  await skopeo(
    "copy",
    "-q",
    "--preserve-digests",
    ...place.skopeo.map((flag) =>
      flag.replace("--tls-verify", "--src-tls-verify").replace("--cert-dir", "--src-cert-dir"),
    ),
    `docker://${name}:v1`,
    `oci:${join(work, "judge")}:v1`,
  );
  expect((await gantry(["digest", `oci:${join(work, "judge")}:v1`])).stdout).toBe(`${digest}\n`);
  // And what skopeo brings there, we find.
  const copied = await run("pull", "--store", join(work, "second"), "--progress", "none", `${name}:v1`);
  expect([copied.code, copied.stdout], copied.stderr).toEqual([0, `${digest}\n`]);
  const remote = new RemoteRegistry(host, options);
  const repo = parseRepoName("team/app");
  const config = {
    mediaType: mediaTypes.emptyJson,
    digest: image.blobs[0]!.descriptor.digest,
    size: image.blobs[0]!.descriptor.size,
  };
  const signature = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: mediaTypes.manifest,
      artifactType: "application/vnd.test.signature",
      config,
      layers: [],
      subject: { mediaType: mediaTypes.manifest, digest, size: image.descriptor.size },
    }),
  );
  const referrer = {
    ...(await remote.pushManifest(repo, signature, mediaTypes.manifest)),
    artifactType: "application/vnd.test.signature",
  };
  if (!place.listsReferrers) {
    const list = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.index, manifests: [referrer] }));
    await remote.pushManifest(repo, list, mediaTypes.index, { tags: [parseTag(digest.replace(":", "-"))] });
  }
  await remote.close();
  expect(JSON.parse((await run("referrers", "--json", `${name}:v1`)).stdout)).toEqual([referrer]);
  const inspected = await run("inspect", `${name}:v1`);
  expect(inspected.stdout).toContain(`└── referrer  ${referrer.digest}  application/vnd.test.signature`);
  expect((await run("rm", `${name}@${digest}`)).code).toBe(0);
  expect((await run("digest", `${name}:v1`)).code).toBe(3);
  await expect(skopeo("inspect", ...place.skopeo, `docker://${name}:v1`)).rejects.toThrow(/unknown/);
}

/** nginx with TLS before a registry, until the test ends: Basic authentication, or client certificates. */
async function nginx(
  work: string,
  upstream: string,
  files: Awaited<ReturnType<typeof certificates>>,
  how: readonly string[],
): Promise<string> {
  const port = await freePort();
  const conf = join(work, `nginx-${port}.conf`);
  await writeFile(
    conf,
    `daemon off; user root; pid ${work}/nginx-${port}.pid; error_log ${work}/nginx-error.log; worker_processes 1;
events {}
http {
  access_log off; client_body_temp_path ${work}/body-${port}; proxy_temp_path ${work}/proxy-${port};
  fastcgi_temp_path ${work}/f-${port}; uwsgi_temp_path ${work}/u-${port}; scgi_temp_path ${work}/s-${port};
  server {
    listen 127.0.0.1:${port} ssl;
    ssl_certificate ${files.cert}; ssl_certificate_key ${files.key};
    client_max_body_size 20m;
    ${how.join("\n    ")}
    location / {
      proxy_pass http://${upstream};
      proxy_set_header Host $http_host; proxy_set_header X-Forwarded-Proto https;
      proxy_set_header Authorization "";
    }
  }
}
`,
  );
  const child = spawn("nginx", ["-c", conf, "-p", work], { stdio: "ignore" });
  onTestFinished(() => void child.kill("SIGKILL"));
  for (let tries = 0; tries < 100; tries += 1) {
    const ok = await fetch(`http://127.0.0.1:${port}/`).then(
      () => true,
      () => false,
    );
    if (ok) return `localhost:${port}`;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error("nginx does not answer");
}

describe.skipIf(reason)(`pull, push, tag, ls, referrers, rm; skopeo agrees${reason ? ` (${reason})` : ""}`, () => {
  test("docker-registry", { timeout: 120_000 }, async () => {
    const host = await dockerRegistry(join(await temporary(), "registry"));
    await everyday({ host, skopeo: ["--tls-verify=false"], listsReferrers: false });
  });

  test("gantry's server", { timeout: 120_000 }, async () => {
    const service = await listen(createServer(registryHandler(new MemoryRegistry(), { allowDelete: true })), {});
    onTestFinished(() => service.close());
    await everyday({ host: service.host, skopeo: ["--tls-verify=false"], listsReferrers: true });
  });

  test("docker-registry behind nginx: TLS of a private CA, Basic authentication, at most 20 MB a request", {
    timeout: 120_000,
  }, async () => {
    const work = await temporary();
    const files = await certificates(work, "DNS:localhost,IP:127.0.0.1");
    const upstream = await dockerRegistry(join(work, "registry"));
    // The password is "secret".
    await writeFile(join(work, "htpasswd"), "me:{PLAIN}secret\n");
    const host = await nginx(work, upstream, files, [
      'auth_basic "registry";',
      `auth_basic_user_file ${join(work, "htpasswd")};`,
    ]);
    await mkdir(join(work, "certs"));
    await copyFile(files.ca, join(work, "certs/ca.crt"));
    const env = {
      DOCKER_CONFIG: join(work, "docker"),
      XDG_CONFIG_HOME: join(work, "none"),
      XDG_STATE_HOME: join(work, "state"),
    };
    const auth = join(work, "docker/config.json");
    await mkdir(join(work, "docker"));
    await writeFile(auth, JSON.stringify({ auths: { [host]: { auth: Buffer.from("me:secret").toString("base64") } } }));
    const options = { caFiles: [files.ca], credentials: userCredentials({ REGISTRY_AUTH_FILE: auth }) };
    await everyday({
      host,
      flags: ["--ca-file", files.ca],
      env,
      skopeo: ["--authfile", auth, "--cert-dir", join(work, "certs")],
      options,
      listsReferrers: false,
    });
    const refused = await gantry(["ls", "--ca-file", files.ca, `${host}/team/app`], {
      env: { ...env, DOCKER_CONFIG: join(work, "none") },
    });
    expect([refused.code, refused.stderr]).toEqual([4, expect.stringContaining("gantry login")]);
    const stranger = await gantry(["ls", `${host}/team/app`], { env: { ...env, NODE_EXTRA_CA_CERTS: "" } });
    expect([stranger.code, stranger.stderr]).toEqual([1, expect.stringContaining("--ca-file")]);
  });

  test("docker-registry behind nginx that asks for a client certificate, all of it in certs.d", {
    timeout: 120_000,
  }, async () => {
    const work = await temporary();
    const files = await certificates(work, "DNS:localhost,IP:127.0.0.1");
    const upstream = await dockerRegistry(join(work, "registry"));
    const host = await nginx(work, upstream, files, [`ssl_client_certificate ${files.ca};`, "ssl_verify_client on;"]);
    const certs = join(work, "config/containers/certs.d", host);
    await mkdir(certs, { recursive: true });
    await copyFile(files.ca, join(certs, "ca.crt"));
    await copyFile(files.clientCert, join(certs, "me.cert"));
    await copyFile(files.clientKey, join(certs, "me.key"));
    const env = {
      XDG_CONFIG_HOME: join(work, "config"),
      XDG_STATE_HOME: join(work, "state"),
      NODE_EXTRA_CA_CERTS: "",
      SSL_CERT_FILE: "",
      SSL_CERT_DIR: "",
    };
    await everyday({
      host,
      env,
      skopeo: ["--cert-dir", certs],
      options: {
        caFiles: [files.ca],
        clientCertificate: async () => {
          const { readFile } = await import("node:fs/promises");
          return { cert: await readFile(files.clientCert, "utf8"), key: await readFile(files.clientKey, "utf8") };
        },
      },
      listsReferrers: false,
    });
    const explained = JSON.parse((await gantry(["explain", "--json", `${host}/team/app`], { env })).stdout);
    expect(explained.endpoints[0]).toMatchObject({
      caFiles: [join(certs, "ca.crt")],
      clientCertificate: join(certs, "me.cert"),
      because: [certs],
    });
    const elsewhere = { ...env, XDG_CONFIG_HOME: work };
    expect((await gantry(["ls", "--cert-dir", certs, `${host}/team/app`], { env: elsewhere })).code).toBe(0);
    const conf = join(work, "registries.conf");
    await writeFile(conf, `[aliases]\n"app" = "${host}/team/app"\n`);
    const short = { ...env, CONTAINERS_REGISTRIES_CONF: conf, GANTRY_SHORT_NAMES: "1" };
    expect((await gantry(["ls", "app"], { env: short })).code).toBe(0);
    expect((await gantry(["explain", "app:v1"], { env: short })).stdout).toContain(`${host}/team/app:v1`);
    expect((await gantry(["explain", "app:v1"], { env: { ...short, GANTRY_SHORT_NAMES: "" } })).stdout).toContain(
      "docker.io/library/app:v1",
    );
    for (const command of ["ls", "digest"]) {
      const refused = await gantry([command, "--ca-file", files.ca, `${host}/team/app`], {
        env: { ...env, XDG_CONFIG_HOME: work },
      });
      expect([refused.code, refused.stderr]).toEqual([1, expect.stringMatching(/client certificate.*--cert-dir/)]);
    }
  });

  test("docker-registry behind a token server", { timeout: 120_000 }, async () => {
    const work = await temporary();
    const files = await certificates(work, "DNS:localhost,IP:127.0.0.1");
    const issuer = await tokenIssuer(files, "test-service");
    const host = await dockerRegistry(join(work, "registry"), [
      "auth:",
      "  token:",
      `    realm: http://${issuer.host}/token`,
      "    service: test-service",
      "    issuer: tests",
      `    rootcertbundle: ${files.ca}`,
    ]);
    const env = {
      DOCKER_CONFIG: join(work, "docker"),
      XDG_CONFIG_HOME: join(work, "none"),
      XDG_STATE_HOME: join(work, "state"),
    };
    const auth = join(work, "docker/config.json");
    await mkdir(join(work, "docker"));
    await writeFile(auth, JSON.stringify({ auths: { [host]: { auth: Buffer.from("me:secret").toString("base64") } } }));
    await everyday({
      host,
      env,
      skopeo: ["--authfile", auth, "--tls-verify=false"],
      options: { credentials: userCredentials({ REGISTRY_AUTH_FILE: auth }) },
      listsReferrers: false,
    });
    // One token for what is pulled and one for what is pushed, not one for each request.
    expect(issuer.seen.length).toBeLessThan(60);
    // Without a password tokens are for pulling.
    const image = await startTestRegistry();
    await pushImage(image.registry, "app", randomImage(), "v1");
    const anonymous = { ...env, DOCKER_CONFIG: join(work, "none") };
    const push = await gantry(["cp", "--progress", "none", `${image.host}/app:v1`, `${host}/team/other:v1`], {
      env: anonymous,
      timeout: 15000,
    });
    expect(push.code, push.stderr).toBe(4);
    expect(
      (
        await gantry(
          ["cp", "--progress", "none", "--dest-auth-file", auth, `${image.host}/app:v1`, `${host}/team/other:v1`],
          { env: anonymous },
        )
      ).code,
    ).toBe(0);
    expect((await gantry(["digest", `${host}/team/other:v1`], { env: anonymous })).code).toBe(0);
    await image.close();
  });
});
