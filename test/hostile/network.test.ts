import dns from "node:dns";
import { readFileSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { inspect } from "node:util";
import { gzipSync } from "node:zlib";
import { describe, expect, test, vi } from "vitest";
import type { ErrorCode } from "../../src/base/codes.ts";
import { printer } from "../../src/cli/progress.ts";
import { bytesSource } from "../../src/content/index.ts";
import { parseRepoName, parseTag, type RepoName } from "../../src/reference/index.ts";
import { LayoutRegistry, MemoryRegistry, type RemoteOptions, RemoteRegistry } from "../../src/registry/index.ts";
import { digestOf, Hasher, mediaTypes } from "../../src/spec/index.ts";
import {
  pushImage,
  randomImage,
  rejects,
  seededBytes,
  startTestRegistry,
  testBlob,
  testImage,
} from "../../src/testing/index.ts";
import { copyImage } from "../../src/transfer/index.ts";
import { isLoopback, isPrivateAddress } from "../../src/transport/addresses.ts";
import { answer, certificates, listening, tunnels } from "../support/http.ts";
import { gantry, missing } from "../support/peers.ts";
import { temporary } from "../support/temporary.ts";
import { onTerminal } from "../support/terminal.ts";
import { known, tagsOf } from "../support/tokens.ts";

// No name of this test resolves anywhere; what a resolver of an attacker says cannot be made to happen otherwise.
const lookup = dns.lookup;
type Callback = (error: Error | null, addresses: { address: string; family: number }[]) => void;
vi.spyOn(dns, "lookup").mockImplementation(((name: string, options: object, callback: Callback): void => {
  if (name.endsWith(".example")) callback(null, [{ address: "127.0.0.1", family: 4 }]);
  else if (name.endsWith(".invalid")) {
    const error = new Error(`getaddrinfo ENOTFOUND ${name}`);
    callback(Object.assign(error, { code: "ENOTFOUND", syscall: "getaddrinfo", hostname: name }), []);
  } else lookup(name, options as { all: true }, callback);
}) as typeof dns.lookup);

const app = parseRepoName("app");
const v1 = parseTag("v1");
const password = { kind: "password", username: "me", password: "hunter2-secret" };
const noTls = missing({ programs: ["openssl"] });
const noTerminal = missing({ programs: ["script"] });

/** A registry that is to us at a public address: it is reached through a proxy, which alone knows where it is. */
function publicly(port: number, options: RemoteOptions = {}): RemoteRegistry {
  const proxy = new URL(`http://127.0.0.1:${port}`);
  return new RemoteRegistry("public.example", {
    insecure: true,
    backoff: 1,
    proxy: (url) => (url.hostname === "public.example" ? proxy : undefined),
    ...options,
  });
}

describe("hostile registries", () => {
  test("N1 the addresses that a foreign layer names are not asked, and hear nothing of us", async () => {
    const elsewhere = await listening((_request, response) => answer(response, 200, "foreign"));
    const config = testBlob(
      JSON.stringify({
        architecture: "amd64",
        os: "linux",
        rootfs: { type: "layers", diff_ids: [digestOf("foreign"), digestOf("own")] },
      }),
      mediaTypes.config,
    );
    const own = testBlob("own", mediaTypes.layer);
    const urls = [`http://${elsewhere.host}/layer`];
    const foreign = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
    /** app:v1 at a registry that wants a password: its own layer, and one that is said to be elsewhere. */
    const served = async (mediaType: string, destination: MemoryRegistry) => {
      const layers = [{ mediaType, digest: digestOf("foreign"), size: 7, urls }, own.descriptor];
      const manifest = Buffer.from(
        JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.manifest, config: config.descriptor, layers }),
      );
      const digest = digestOf(manifest);
      const documents = new Map([config, own].map(({ descriptor, bytes }) => [descriptor.digest as string, bytes]));
      const server = await listening((request, response) => {
        if (request.url === "/v2/") return answer(response, 200, {});
        if (!request.headers.authorization) {
          return answer(response, 401, "", { "www-authenticate": 'Basic realm="x"' });
        }
        if (request.url!.includes("/manifests/")) {
          const headers = { "content-type": mediaTypes.manifest, "docker-content-digest": digest };
          return answer(response, 200, manifest, headers);
        }
        const bytes = documents.get(request.url!.split("/").at(-1)!);
        answer(response, bytes ? 200 : 404, bytes);
      });
      const source = new RemoteRegistry(server.host, { ...known(password), backoff: 1 });
      const from = { registry: source, repo: app, reference: v1, name: "source" };
      const copying = copyImage(from, { registry: destination, repo: app, reference: v1, name: "destination" });
      return { server, source, digest, copying };
    };
    // By its type the layer is not for passing on: the image is copied whole without it.
    const destination = new MemoryRegistry();
    const typed = await served(foreign, destination);
    const result = await typed.copying;
    expect([result.descriptor.digest, result.blobs.moved]).toEqual([typed.digest, 2]);
    expect((await destination.getManifest(app, v1)).descriptor.digest).toBe(typed.digest);
    await rejects(destination.resolveBlob(app, digestOf("foreign")), "BLOB_UNKNOWN");
    expect(typed.server.seen.filter(({ url }) => url!.includes(digestOf("foreign")))).toEqual([]);
    // The password went to the registry; so there was one that the other host could have been told.
    expect(typed.server.seen.some(({ headers }) => headers.authorization)).toBe(true);
    // An ordinary layer that has addresses is asked for at the registry, and there alone; it may be missing there.
    const plain = await served(mediaTypes.layerGzip, new MemoryRegistry());
    expect((await plain.copying).blobs).toEqual({ moved: 2, mounted: 0, existing: 1 });
    expect(plain.server.seen.some(({ url }) => url!.endsWith(`/blobs/${digestOf("foreign")}`))).toBe(true);
    // A copy that asked them after all would have brought requests here, whatever headers they had.
    expect(elsewhere.seen.map(({ method, url, headers }) => ({ method, url, headers }))).toEqual([]);
    for (const { source } of [typed, plain]) await source.close();
    // What does ask there is seen.
    await fetch(urls[0]!);
    expect(elsewhere.seen.length).toBe(1);
  });

  test("N3 from a public registry nothing leads inside: no redirect, page, upload or token, by address or by name", async () => {
    const inside = await listening((_request, response) => answer(response, 201, {}));
    const targets = [
      "http://169.254.169.254/latest/meta-data",
      `http://127.0.0.1:${inside.port}/`,
      `http://[::ffff:127.0.0.1]:${inside.port}/`,
      `http://0x7f000001:${inside.port}/`,
      `http://inside.example:${inside.port}/`,
    ];
    for (const target of targets) {
      const outside = await listening((request, response) => {
        request.resume().on("end", () => {
          const path = new URL(request.url!).pathname;
          if (request.method === "POST") answer(response, 202, "", { location: target });
          else if (path.includes("/token-needed/")) {
            answer(response, 401, "", { "www-authenticate": `Bearer realm="${target}",service="x"` });
          } else if (path === "/v2/") answer(response, 200, {});
          else answer(response, 307, "", { location: target });
        });
      });
      const registry = publicly(outside.port);
      const { descriptor, bytes } = testBlob("body that must not get there");
      await rejects(registry.getManifest(app, v1), "REDIRECT_REFUSED");
      await rejects(registry.getBlob(app, descriptor), "REDIRECT_REFUSED");
      await rejects(registry.pushBlob(app, descriptor, bytesSource(descriptor, bytes)), "REDIRECT_REFUSED");
      await rejects(registry.getManifest(parseRepoName("token-needed"), v1), "REDIRECT_REFUSED");
      await registry.close();
      expect(outside.seen.length).toBeGreaterThanOrEqual(4);
    }
    expect(inside.seen).toEqual([]);
    // Five hops, and no more.
    const round = await listening((request, response) => answer(response, 302, "", { location: `${request.url}x` }));
    await rejects(new RemoteRegistry(round.host).getManifest(app, v1), "LIMIT_EXCEEDED");
    expect(round.seen.length).toBeLessThanOrEqual(2 * 6);
  });

  test.skipIf(noTls)(
    `N5 headers and client certificates are for the registry alone: not for where it leads, nor for a proxy${noTls ? ` (${noTls})` : ""}`,
    async () => {
      const files = await certificates(await temporary(), "DNS:localhost,DNS:registry.example,IP:127.0.0.1");
      const tls = {
        cert: readFileSync(files.cert),
        key: readFileSync(files.key),
        ca: readFileSync(files.ca),
        requestCert: true,
        rejectUnauthorized: false,
      };
      const shown: { at: string; subject: unknown; header: unknown }[] = [];
      const note = (at: string, request: { socket: unknown; headers: Record<string, unknown> }): void => {
        const { subject } = (
          request.socket as { getPeerCertificate(): { subject?: { CN: string } } }
        ).getPeerCertificate();
        shown.push({ at, subject: subject?.CN, header: request.headers["x-secret"] });
      };
      const foreign = await listening((request, response) => {
        note("foreign", request);
        answer(response, 200, { name: "app", tags: ["v1"] });
      }, tls);
      const own = await listening((request, response) => {
        note("own", request);
        answer(response, 307, "", { location: `https://localhost:${foreign.port}/list` });
      }, tls);
      const proxy = await tunnels();
      const options = {
        caFiles: [files.ca],
        headers: { "x-secret": "only-for-the-registry" },
        clientCertificate: async () => ({
          cert: readFileSync(files.clientCert, "utf8"),
          key: readFileSync(files.clientKey, "utf8"),
        }),
      };
      for (const through of [undefined, new URL(`http://${proxy.host}`)]) {
        shown.length = 0;
        const registry = new RemoteRegistry(`127.0.0.1:${own.port}`, {
          ...options,
          endpoint: new URL(`https://127.0.0.1:${own.port}/v2/`),
          proxy: () => through,
        });
        expect(await tagsOf(registry)).toEqual(["v1"]);
        await registry.close();
        expect(shown).toEqual([
          { at: "own", subject: "me", header: "only-for-the-registry" },
          { at: "foreign", subject: undefined, header: undefined },
        ]);
      }
      expect(proxy.connects.length).toBe(2);
      for (const { headers } of proxy.connects) {
        expect(JSON.stringify(headers)).not.toContain("only-for-the-registry");
        expect(headers["proxy-authorization"]).toBeUndefined();
      }
    },
  );

  test("N6 no secret is in an error, its causes, a warning or a debug line, whoever says it", async () => {
    const secrets = [
      "hunter2-secret",
      Buffer.from("me:hunter2-secret").toString("base64"),
      "tok3n-value",
      "sig-value",
      "hdr-value",
    ];
    const server = await listening((request, response) => {
      const url = new URL(request.url!, "http://x");
      const authorization = request.headers.authorization ?? "";
      const echo = (code: string): object => ({
        errors: [
          {
            code,
            message: `you sent ${authorization} and x-key ${request.headers["x-key"]}; {"access_token":"tok3n-value"} at https://u:hunter2-secret@h/p?X-Amz-Signature=sig-value`,
          },
        ],
      });
      if (url.pathname === "/token") return answer(response, 200, { token: "tok3n-value" });
      if (url.pathname === "/signed") return answer(response, 500, echo("UNKNOWN"));
      if (!authorization.startsWith("Bearer")) {
        return answer(response, 401, "", { "www-authenticate": `Bearer realm="http://${request.headers.host}/token"` });
      }
      if (url.pathname.includes("/blobs/"))
        return answer(response, 307, "", { location: "/signed?X-Amz-Signature=sig-value" });
      if (url.pathname.includes("/tags/")) {
        response.socket!.end("HTTP/1.1 tok3n-value hdr-value\r\n\r\n");
        return;
      }
      answer(response, 403, echo("DENIED"));
    });
    const said: string[] = [];
    const registry = new RemoteRegistry(server.host, {
      ...known(password),
      headers: { "x-key": "hdr-value" },
      backoff: 1,
      debug: (line) => void said.push(line),
      progress: (event) => void said.push(JSON.stringify(event)),
    });
    for (const ask of [
      () => registry.getManifest(app, v1),
      () => registry.getBlob(app, digestOf("x")),
      () => tagsOf(registry),
    ]) {
      const error: unknown = await ask().then(
        () => undefined,
        (reason: unknown) => reason,
      );
      expect(error).toBeInstanceOf(Error);
      said.push(inspect(error, { depth: 10, showHidden: true }), JSON.stringify(error));
    }
    await registry.close();
    expect(said.some((line) => line.includes("***"))).toBe(true);
    for (const secret of secrets)
      expect(
        said.filter((line) => line.includes(secret)),
        secret,
      ).toEqual([]);
  });

  test("N15 a secret that a registry says back, in whatever place and spelling, is not shown", async () => {
    const spellings: readonly ((secret: string) => string)[] = [
      (secret) => secret,
      (secret) => secret.toUpperCase(),
      (secret) => encodeURIComponent(secret),
      (secret) => [...Buffer.from(secret)].map((byte) => `%${byte.toString(16).padStart(2, "0")}`).join(""),
      (secret) => encodeURIComponent(encodeURIComponent(secret)),
      (secret) => Buffer.from(secret).toString("base64"),
      (secret) => encodeURIComponent(Buffer.from(`me:${secret}`).toString("base64")),
      (secret) => Buffer.from(`you:${secret}:x`).toString("base64url"),
      (secret) => Buffer.from(`{"p":"${secret}"}`).toString("base64url"),
    ];
    type Reply = (said: string, host: string) => readonly [number, object | string, Record<string, string>?];
    const places: Readonly<Record<string, Reply>> = {
      "realm, no address": (said) => [401, "", { "www-authenticate": `Bearer realm="not an address ${said}"` }],
      "realm, path": (said, host) => [401, "", { "www-authenticate": `Bearer realm="http://${host}/t/${said}"` }],
      "realm, query": (said, host) => [401, "", { "www-authenticate": `Bearer realm="http://${host}/t?n=${said}"` }],
      "realm, host": (said) => [401, "", { "www-authenticate": `Bearer realm="https://${said}.invalid/t"` }],
      "error, code and message": (said) => [
        400,
        {
          errors: [
            { code: said, message: `a ${said} b` },
            { code: "X", message: `${said.repeat(200)}` },
          ],
        },
      ],
      "Location, path": (said) => [307, "", { location: `/t/${said}` }],
      "Location, last page": (said) => [307, "", { location: `/t?last=${said}&digest=${said}&${said}=1` }],
      "Location, host": (said) => [307, "", { location: `http://${said}.invalid/t` }],
      "Location, another scheme": (said) => [307, "", { location: `ftp://${said}.invalid/${said}` }],
      "Link, another host": (said) => [200, { tags: [] }, { link: `<http://${said}.invalid/${said}>; rel="next"` }],
      "Link, a circle": (said) => [200, { tags: [] }, { link: `</x?last=${said}>; rel="next"` }],
      "Content-Range": (said) => [206, "x", { "content-range": `bytes ${said}` }],
      "Docker-Content-Digest": (said) => [200, "{}", { "docker-content-digest": said, "content-type": "text/x" }],
      "Content-Type": (said) => [200, "{}", { "docker-content-digest": digestOf("{}"), "content-type": `a/${said}` }],
      "RateLimit source": (said) => [
        200,
        "{}",
        { "ratelimit-limit": "10", "docker-ratelimit-source": said, "content-type": "text/x" },
      ],
    };
    const lines: string[] = [];
    const token = "t0k.en_of-hunter";
    for (const [secret, bearer] of [
      ["hunter2-s3cret", false],
      ["h\u00fcn+ter/2 s3cret?", false],
      // A token, too, which the registry got from its own server.
      ["hunter2-s3cret", true],
    ] as const) {
      const told = bearer ? token : secret;
      const state: { reply: Reply; said: string } = { reply: () => [200, ""], said: "" };
      const server = await listening((request, response) => {
        const host = request.headers.host!;
        if (request.url === "/v2/") return answer(response, 200, {});
        if (request.url === "/token") return answer(response, 200, { token });
        if (request.url!.startsWith("/t")) {
          return answer(response, 500, { errors: [{ code: "X", message: state.said }] });
        }
        if (!request.headers.authorization) {
          const challenge = bearer ? `Bearer realm="http://${host}/token"` : "Basic";
          return answer(response, 401, "", { "www-authenticate": challenge });
        }
        const [status, body, headers] = state.reply(state.said, host);
        answer(response, status, body, headers);
      });
      for (const [place, reply] of Object.entries(places)) {
        for (const [at, spelling] of spellings.entries()) {
          const said = spelling(told);
          // What ends the name of a host, or is none, cannot be said there.
          if (/host|scheme/.test(place) && !/^[\w.-]+$/.test(said)) continue;
          Object.assign(state, { reply, said });
          const shown: string[] = [];
          const registry = new RemoteRegistry(server.host, {
            ...known({ ...password, password: secret }),
            attempts: 2,
            backoff: 1,
            debug: (line) => void shown.push(line),
            progress: (event) => void shown.push(JSON.stringify(event)),
          });
          const from = { offset: 1, hasher: new Hasher("sha256") };
          const asks: Readonly<Record<string, () => Promise<unknown>>> = {
            Link: () => tagsOf(registry),
            "Content-Range": () => registry.getBlob(app, { digest: digestOf("x"), size: 2 }, { from }),
            "Docker-Content-Digest": () => registry.resolveManifest(app, v1),
            RateLimit: () => registry.rateLimit(app, v1),
          };
          const [, fitting] = Object.entries(asks).find(([name]) => place.startsWith(name)) ?? [];
          for (const ask of [() => registry.getManifest(app, v1), ...(fitting ? [fitting] : [])]) {
            shown.push(
              ...(await ask().then(
                (result) => [JSON.stringify(result) ?? ""],
                (error: unknown) => [inspect(error, { depth: 10, showHidden: true }), JSON.stringify(error)],
              )),
            );
          }
          await registry.close();
          lines.push(...shown);
          const forms = [secret, token, ...spellings.flatMap((spell) => [spell(secret), spell(token)]), said];
          for (const form of forms) {
            // Nor what is in the middle of it, where no neighbour has a share in its base64.
            const parts = [form, form.slice(8, -6)].filter((part) => part.length >= 6);
            const leaks = shown.filter((line) => parts.some((part) => line.toLowerCase().includes(part.toLowerCase())));
            expect(leaks, `${place}, spelling ${at}: ${form}`).toEqual([]);
          }
        }
      }
    }
    expect(lines.filter((line) => line.includes("***")).length).toBeGreaterThan(300);
    // And what is no secret is shown.
    expect(lines.some((line) => line.includes("getting manifest v1 of 127.0.0.1"))).toBe(true);
  });

  test("N7 the next page of a list is of the same origin, or it is not asked for", async () => {
    const elsewhere = await listening((_request, response) => answer(response, 200, { tags: ["evil"] }));
    const links: [string, ErrorCode][] = [
      [`http://localhost:${elsewhere.port}/v2/app/tags/list?last=a`, "REDIRECT_REFUSED"],
      ["//elsewhere.example/x", "REDIRECT_REFUSED"],
      // Another port of the same host is not asked either: the list goes on where it was, in this case in a circle.
      [`http://${elsewhere.host}/x?last=a`, "INVALID_RESPONSE"],
    ];
    for (const [link, code] of links) {
      const server = await listening((_request, response) =>
        answer(response, 200, { name: "app", tags: ["a"] }, { link: `<${link}>; rel="next"` }),
      );
      const registry = new RemoteRegistry(server.host, known(password));
      await rejects(tagsOf(registry), code);
      await registry.close();
    }
    expect(elsewhere.seen).toEqual([]);
  });

  test("N8 answers that do not end, or unfold, are read no further than their bound", async () => {
    let sent = 0;
    const endless = (response: import("node:http").ServerResponse, status: number, headers = {}): void => {
      response.writeHead(status, { "content-type": "application/json", ...headers });
      const chunk = Buffer.alloc(1 << 16, " ");
      const more = (): void => {
        while (!response.destroyed) {
          sent += chunk.length;
          if (!response.write(chunk)) break;
        }
      };
      response.on("drain", more);
      more();
    };
    const bomb = gzipSync(Buffer.alloc(64 << 20, " "));
    const server = await listening((request, response) => {
      const url = new URL(request.url!, "http://x");
      if (url.pathname === "/v2/") return answer(response, 200, {});
      if (url.pathname === "/token") return endless(response, 200);
      if (url.pathname.includes("/private/")) {
        return answer(response, 401, "", { "www-authenticate": `Bearer realm="http://${request.headers.host}/token"` });
      }
      if (url.pathname.includes("/bomb/")) return answer(response, 200, bomb, { "content-encoding": "gzip" });
      if (url.pathname.includes("/denied/")) return endless(response, 403);
      endless(response, 200, { "docker-content-digest": digestOf("x") });
    });
    const registry = new RemoteRegistry(server.host, { backoff: 1 });
    const named = (name: string): RepoName => parseRepoName(name);
    const list = async (iterable: AsyncIterable<unknown>): Promise<void> => {
      for await (const _item of iterable) void _item;
    };
    await rejects(registry.getManifest(named("private"), v1), "LIMIT_EXCEEDED");
    await rejects(registry.getManifest(named("denied"), v1), "DENIED");
    await rejects(registry.getManifest(app, v1), "LIMIT_EXCEEDED");
    await rejects(list(registry.tags(app)), "LIMIT_EXCEEDED");
    await rejects(list(registry.repositories()), "LIMIT_EXCEEDED");
    await rejects(list(registry.referrers(app, digestOf("x"))), "LIMIT_EXCEEDED");
    // A manifest is what came; its packing is not undone, so there is nothing to unfold.
    expect((await registry.getManifest(named("bomb"), v1)).bytes.length).toBe(bomb.length);
    await rejects(list(registry.tags(named("bomb"))), "INVALID_DOCUMENT");
    await registry.close();
    // What the kernel takes on its own is not ours to bound.
    expect(sent).toBeLessThan(120 << 20);
  });

  test("N9 headers and bodies that crawl, or stop, end in an error; a signal ends them at once", async () => {
    const timers: NodeJS.Timeout[] = [];
    const blob = testBlob(seededBytes(200_000));
    const server = await listening((request, response) => {
      const url = new URL(request.url!, "http://x");
      if (url.pathname === "/v2/") return answer(response, 200, {});
      const crawl = (bytes: Buffer, ms: number): void => {
        let at = 0;
        timers.push(
          setInterval(() => {
            if (at < bytes.length) response.socket?.write(bytes.subarray(at, at + 1));
            at += 1;
          }, ms),
        );
      };
      if (url.pathname.includes("/headers/"))
        return crawl(Buffer.from(`HTTP/1.1 200 OK\r\nx: ${"y".repeat(1000)}`), 20);
      response.writeHead(200, { "content-length": blob.bytes.length });
      response.flushHeaders();
      if (url.pathname.includes("/crawl/")) crawl(blob.bytes, 20);
    });
    const registry = new RemoteRegistry(server.host, { headerTimeout: 300, idleTimeout: 300, attempts: 2, backoff: 1 });
    await rejects(registry.getManifest(parseRepoName("headers"), v1), "TIMEOUT");
    for (const name of ["crawl", "silent"]) {
      const content = await registry.getBlob(parseRepoName(name), blob.descriptor);
      await rejects(
        content.pipe(() => {}),
        "TRANSFER_INTERRUPTED",
      );
      await rejects(registry.getManifest(parseRepoName(name), v1), "TRANSFER_INTERRUPTED");
    }
    const patient = new RemoteRegistry(server.host);
    const stop = new AbortController();
    const content = await patient.getBlob(parseRepoName("silent"), blob.descriptor);
    const reading = content.pipe(() => {}, { signal: stop.signal });
    const reason = new Error("enough");
    stop.abort(reason);
    await expect(reading).rejects.toBe(reason);
    await patient.close();
    await registry.close();
    for (const timer of timers) clearInterval(timer);
  });

  test("N10 only this machine by its exact name or address is spoken to without TLS", async () => {
    for (const host of [
      "evil-localhost.com",
      "localhost.evil.com",
      "registry.local",
      "127.0.0.1.evil.com",
      "1270.0.0.1.nip.io",
    ]) {
      expect(isLoopback(host), host).toBe(false);
      const asked: string[] = [];
      const registry = new RemoteRegistry(host, {
        attempts: 1,
        proxy: (url) => {
          asked.push(url.protocol);
          return new URL("http://127.0.0.1:1");
        },
      });
      await rejects(registry.getManifest(app, v1), "CONNECTION_FAILED");
      expect(asked, host).toEqual(["https:"]);
      await registry.close();
    }
    for (const host of [
      "localhost",
      "LOCALHOST",
      "127.0.0.1",
      "127.255.0.1",
      "[::1]",
      "[0:0:0:0:0:0:0:1]",
      "::1%eth0",
    ]) {
      expect(isLoopback(host), host).toBe(true);
    }
    for (const host of [
      "[fe80::1%25eth0]",
      "[::ffff:10.0.0.1]",
      "[2002:7f00:1::]",
      "[64:ff9b::a9fe:a9fe]",
      "0.0.0.0",
      "100.64.0.1",
    ]) {
      expect(isPrivateAddress(host), host).toBe(true);
    }
  });

  test("N11 a 429 is never an answer: not an empty list, not an absent image, not a success", async () => {
    await using server = await startTestRegistry({
      faults: [{ on: { kind: "status", status: 429, retryAfter: "0" }, path: /app/ }],
    });
    const registry = new RemoteRegistry(server.host, { backoff: 1, attempts: 2 });
    const referrers = async (): Promise<void> => {
      for await (const _item of registry.referrers(app, digestOf("x"))) void _item;
    };
    const blob = testBlob("x");
    for (const ask of [
      () => registry.getManifest(app, v1),
      () => registry.resolveManifest(app, v1),
      () => registry.resolveBlob(app, digestOf("x")),
      () => registry.getBlob(app, digestOf("x")),
      () => registry.pushBlob(app, blob.descriptor, bytesSource(blob.descriptor, blob.bytes)),
      () => registry.deleteManifest(app, digestOf("x")),
      () => tagsOf(registry),
      referrers,
    ]) {
      await rejects(ask(), "TOO_MANY_REQUESTS");
    }
    await registry.close();
    expect((await gantry(["referrers", `${server.host}/app@${digestOf("x")}`])).code).toBe(1);
  });

  test("N12 a Range that is answered with the whole, another part or another blob never gives wrong bytes, and ends", async () => {
    const blob = testBlob(seededBytes(400_000, 3));
    const wrong = seededBytes(400_000, 4);
    const answers: Readonly<Record<string, (from: number) => { status: number; range?: string; body: Buffer }>> = {
      whole: () => ({ status: 200, body: blob.bytes }),
      "another start": (from) => ({
        status: 206,
        range: `bytes ${from + 10}-399999/400000`,
        body: blob.bytes.subarray(from + 10),
      }),
      "another whole": (from) => ({
        status: 206,
        range: `bytes ${from}-499999/500000`,
        body: blob.bytes.subarray(from),
      }),
      "no range": (from) => ({ status: 206, body: blob.bytes.subarray(from) }),
      "another blob": (from) => ({ status: 206, range: `bytes ${from}-399999/400000`, body: wrong.subarray(from) }),
      "half of it": (from) => ({
        status: 206,
        range: `bytes ${from}-${Math.min(399_999, from + 49_999)}/400000`,
        body: blob.bytes.subarray(from, from + 50_000),
      }),
      "the whole, broken": () => ({ status: 200, body: blob.bytes.subarray(0, 150_000) }),
    };
    const right = new Set(["whole", "half of it"]);
    for (const [name, make] of Object.entries(answers)) {
      let requests = 0;
      const server = await listening((request, response) => {
        if (request.url === "/v2/") return answer(response, 200, {});
        requests += 1;
        const from = Number(/bytes=(\d+)-/.exec(request.headers.range ?? "")?.[1] ?? 0);
        const { status, range, body } = request.headers.range
          ? make(from)
          : { status: 200, body: blob.bytes.subarray(0, 150_000) };
        const declared = status === 200 ? blob.bytes.length : body.length;
        response.writeHead(status, { "content-length": declared, ...(range && { "content-range": range }) });
        response.write(body, () => {
          if (declared !== body.length) setTimeout(() => response.destroy(), 20);
          else response.end();
        });
      });
      const registry = new RemoteRegistry(server.host, { backoff: 1 });
      const content = await registry.getBlob(app, blob.descriptor);
      const got: Buffer[] = [];
      const ended = await content
        .pipe((chunk) => void got.push(Buffer.from(chunk)))
        .then(
          () => true,
          () => false,
        );
      expect([name, ended]).toEqual([name, right.has(name)]);
      if (ended) expect(Buffer.concat(got).equals(blob.bytes)).toBe(true);
      else expect(Buffer.concat(got).length).toBeLessThan(blob.bytes.length);
      expect(requests).toBeLessThan(12);
      await registry.close();
    }
  });

  test("N14 what registries and images say cannot drive a terminal", async () => {
    const hostile = "\u001b]0;owned\u0007\u001b[2J\u009b31m\u202e\u061c\u2066";
    const memory = new MemoryRegistry();
    const plain = testImage([], { config: { Cmd: [hostile], Labels: { [`a${hostile}`]: hostile } } });
    // JSON lets most of it stand in a string as it is.
    const annotated = testBlob(
      JSON.stringify({ ...JSON.parse(String(plain.documents[0]!.bytes)), annotations: { [hostile]: hostile } }),
      mediaTypes.manifest,
    );
    const image = { ...plain, documents: [annotated], descriptor: annotated.descriptor };
    await pushImage(memory, "app", image, "v1");
    const raw = testBlob(`no JSON: ${hostile}\n\ttext\u00ff`);
    const server = await listening(async (request, response) => {
      const url = new URL(request.url!, "http://x");
      if (url.pathname === "/v2/") return answer(response, 200, {});
      if (url.pathname.endsWith("/tags/list"))
        return answer(response, 200, { name: "app", tags: ["ok", `t${hostile}`] });
      if (url.pathname.includes("/referrers/")) {
        const entry = { ...image.descriptor, artifactType: `application/${hostile}`, annotations: { a: hostile } };
        return answer(response, 200, { schemaVersion: 2, mediaType: mediaTypes.index, manifests: [entry] });
      }
      if (url.pathname.includes("/absent")) {
        return answer(response, 404, { errors: [{ code: `MANIFEST_UNKNOWN${hostile}`, message: hostile }] });
      }
      const digest = /sha256:[0-9a-f]{64}/.exec(url.pathname)?.[0];
      if (url.pathname.includes("/raw/") || digest === raw.descriptor.digest) {
        return answer(response, 200, raw.bytes, {
          "content-type": "text/plain",
          "content-length": raw.bytes.length,
          "docker-content-digest": raw.descriptor.digest,
          "ratelimit-limit": "10",
          "docker-ratelimit-source": "me\u009b31m",
        });
      }
      if (url.pathname.includes("/manifests/")) {
        const { bytes, descriptor } = await memory.getManifest(app, v1);
        return answer(response, 200, bytes, { "content-type": descriptor.mediaType, "content-length": bytes.length });
      }
      const content = await memory.getBlob(app, digest as `sha256:${string}` as never);
      answer(response, 200, await content.bytes());
    });
    const steering = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/;
    const { host } = server;
    const store = ["--store", join(await temporary(), "store")];
    const name = `${host}/app:v1`;
    const config = plain.blobs[0]!;
    for (const args of [
      ["ls", `${host}/app`],
      ["ls", "--json", `${host}/app`],
      ["inspect", name],
      ["inspect", "--json", name],
      ["manifest", "--json", name],
      ["config", "--json", name],
      ["manifest", "--json", `${host}/raw:v1`],
      ["referrers", name],
      ["referrers", "--json", name],
      ["digest", `${host}/app:absent`],
      ["digest", "--debug", `${host}/app:absent`],
      ["ratelimit", `${host}/raw:v1`],
      ["ratelimit", "--json", `${host}/raw:v1`],
      ["explain", name],
      ["explain", "--json", "--cert-dir", `/nonexistent${hostile}`, name],
      ["pull", ...store, `${host}/${hostile}`],
      ["pull", ...store, "--progress", "json", "--json", name],
      ["unpack", ...store, "--json", name, join(await temporary(), `root${hostile}`)],
      ["unpack", ...store, name, join(await temporary(), `root${hostile}`)],
      ["images", "label", ...store, "--json", name, `team=${hostile}`],
      ["images", "label", ...store, name, `team=${hostile}`],
      ["images", "ls", ...store, "--json"],
      ["images", "ls", ...store],
      ["images", "fsck", ...store, "--json"],
      ["images", "gc", ...store, "--json"],
      ["serve", "--listen", hostile, "memory:"],
      ["pull", "--limit", hostile, name],
      [hostile],
      ["rm", "--json", `${host}/absent:${hostile}`],
    ]) {
      const { stdout, stderr } = await gantry(args);
      expect(`${args.join(" ")}: ${stdout}${stderr}`.slice(args.join(" ").length)).not.toMatch(steering);
      if (args.includes("--json") && stdout !== "") JSON.parse(stdout);
    }
    const noJson = await gantry(["manifest", "--json", `${host}/raw:v1`]);
    expect([noJson.code, noJson.stderr]).toEqual([5, expect.stringMatching(/is not JSON; omit --json/)]);
    expect(noJson.stderr.trim().split("\n")).toHaveLength(1);
    // Bytes that are printed as they are reach a file or a pipe so, and a terminal escaped.
    for (const [args, bytes] of [
      [["manifest", name], annotated.bytes],
      [["config", name], config.bytes],
      [["manifest", `${host}/raw:v1`], raw.bytes],
      [["blob", `${host}/app@${raw.descriptor.digest}`], raw.bytes],
    ] as const) {
      expect((await gantry(args)).stdout).toBe(bytes.toString());
      if (noTerminal) continue;
      const { code, screen } = await onTerminal(args);
      expect([args, code]).toEqual([args, 0]);
      expect(screen.replaceAll("\t", "")).not.toMatch(steering);
      expect(screen).toContain(String(bytes).slice(0, 6));
      expect(screen).toContain("\\x9b31m\\u202e\\u061c\\u2066");
    }
    const said: string[] = [];
    const stderr = { write: (text: string) => said.push(text) } as unknown as NodeJS.WriteStream;
    for (const mode of ["json", "plain"] as const) {
      printer(mode, stderr).progress?.({ type: "message", level: "warning", text: `a\n${hostile}` });
    }
    expect(said).toHaveLength(2);
    for (const line of said) expect(line.replace(/\n$/, "")).not.toMatch(/[\n\u0000-\u001f\u007f-\u009f\u061c\u202e]/);
    expect(JSON.parse(said[0]!).text).toBe(`a\n${hostile}`);
  });

  test("M4 a digest beside a tag wins, whatever the tag names, here and there", async () => {
    await using server = await startTestRegistry();
    const good = randomImage({ seed: 1 });
    const evil = randomImage({ seed: 2 });
    await pushImage(server.registry, "app", good, "good");
    await pushImage(server.registry, "app", evil, "v1");
    const store = await temporary();
    const pinned = `${server.host}/app:v1@${good.descriptor.digest}`;
    // The tag is known here, and names something else.
    expect((await gantry(["pull", "--store", store, `${server.host}/app:v1`])).stdout).toBe(
      `${evil.descriptor.digest}\n`,
    );
    expect((await gantry(["digest", pinned])).stdout).toBe(`${good.descriptor.digest}\n`);
    expect((await gantry(["pull", "--store", store, pinned])).stdout).toBe(`${good.descriptor.digest}\n`);
    const rootfs = join(await temporary(), "rootfs");
    const unpacked = await gantry(["unpack", "--json", "--store", store, pinned, rootfs]);
    expect([unpacked.code, unpacked.stdout]).toEqual([0, expect.stringContaining(good.descriptor.digest)]);
    // And the tag still names what it named.
    expect((await gantry(["digest", "--store", store, `store:${server.host}/app:v1`])).stdout).toBe(
      `${evil.descriptor.digest}\n`,
    );
    // Content is known by digest, but each repository says itself whether it has it.
    expect((await gantry(["digest", `${server.host}/other:v1@${good.descriptor.digest}`])).code).toBe(3);
  });

  test("M14 the names that an archive brings are listed, and never set here", async () => {
    const directory = join(await temporary(), "layout");
    const layout = new LayoutRegistry(directory, { create: true });
    const image = randomImage({ seed: 5 });
    await pushImage(layout, layout.defaultRepository, image, "v1");
    await layout.close();
    const path = join(directory, "index.json");
    const index = JSON.parse(readFileSync(path, "utf8"));
    const names = ["docker.io/library/alpine:latest", "../../etc/passwd", "store:x"];
    index.manifests = names.map((name) => ({
      ...index.manifests[0],
      annotations: {
        "org.opencontainers.image.ref.name": name,
        "io.containerd.image.name": "docker.io/library/alpine:latest",
      },
    }));
    await writeFile(path, JSON.stringify(index));
    const store = await temporary();
    await using server = await startTestRegistry();
    const mine = randomImage({ seed: 6 });
    await pushImage(server.registry, "library/alpine", mine, "latest");
    await mkdir(store, { recursive: true });
    expect(
      (await gantry(["cp", "--store", store, `${server.host}/library/alpine:latest`, "store:alpine:latest"])).code,
    ).toBe(0);
    const copied = await gantry([
      "cp",
      "--store",
      store,
      `oci:${directory}@${image.descriptor.digest}`,
      "store:imported:1",
    ]);
    expect(copied.code, copied.stderr).toBe(0);
    const listed = JSON.parse((await gantry(["images", "ls", "--json", "--store", store])).stdout);
    expect(listed.map((found: { name: string }) => found.name)).toEqual([
      "docker.io/library/alpine:latest",
      "docker.io/library/imported:1",
    ]);
    expect((await gantry(["digest", "--store", store, "store:alpine:latest"])).stdout).toBe(
      `${mine.descriptor.digest}\n`,
    );
    expect((await gantry(["catalog", `oci:${directory}`])).stdout).toBe("docker.io/library/alpine\nstore\n");
  });
});
