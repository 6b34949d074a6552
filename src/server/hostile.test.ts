import { once } from "node:events";
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { type Answer, ask, codeOf } from "../../test/support/raw.ts";
import { temporary } from "../../test/support/temporary.ts";
import { defaultLimits } from "../base/limits.ts";
import { parseRepoName, parseTag } from "../reference/reference.ts";
import { LayoutRegistry } from "../registry/layout/layout.ts";
import { MemoryRegistry } from "../registry/memory/memory.ts";
import { RemoteRegistry } from "../registry/remote/remote.ts";
import { digestOf, hexOf } from "../spec/digest.ts";
import { pushImage, randomImage, startTestRegistry } from "../testing/index.ts";
import { clientOf } from "./open-uploads.ts";
import { serve } from "./serve.ts";

describe("a server among hostile clients", () => {
  test("R1 a page is never larger than the limit of the server, whatever number the client asks for", async () => {
    await using server = await startTestRegistry();
    const image = randomImage();
    await pushImage(server.registry, "app", image, "v0");
    const [{ bytes, descriptor }] = image.documents as [(typeof image.documents)[0]];
    const tags = Array.from({ length: 1200 }, (_, at) => parseTag(`t${String(at).padStart(4, "0")}`));
    await server.registry.pushManifest(parseRepoName("app"), bytes, descriptor.mediaType, { tags });
    for (const n of ["1001", "99999999", "9".repeat(400), "1e9", "-1", "0x10", "abc", "", "1.5", "%00"]) {
      const answer = await ask(server, "GET", `/v2/app/tags/list?n=${n}`);
      expect([n, answer.status, JSON.parse(answer.body).tags.length]).toEqual([n, 200, 1000]);
      expect(answer.headers["link"]).toBe('</v2/app/tags/list?n=1000&last=t0999>; rel="next"');
    }
    const none = await ask(server, "GET", "/v2/app/tags/list?n=0");
    expect([none.status, JSON.parse(none.body).tags, none.headers["link"]]).toEqual([200, [], undefined]);
  });

  test("R2 a manifest over 4 MiB is refused, whether its size is declared or not, and nothing of it is kept", async () => {
    await using server = await startTestRegistry();
    const type = { "content-type": "application/vnd.oci.image.manifest.v1+json" };
    for (const more of [{}, { "transfer-encoding": "chunked" }] as Record<string, string>[]) {
      const body = Buffer.alloc((4 << 20) + 1, " ");
      const answer = await ask(server, "PUT", "/v2/app/manifests/v1", { body, headers: { ...type, ...more } });
      expect([more, answer.status, codeOf(answer)]).toEqual([more, 413, "SIZE_INVALID"]);
    }
    expect((await ask(server, "GET", "/v2/app/tags/list")).status).toBe(404);
    // A manifest of exactly 4 MiB is accepted.
    const start = '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}';
    const headers = { "content-type": "application/vnd.oci.image.index.v1+json" };
    const put = await ask(server, "PUT", "/v2/app/manifests/v1", { body: start.padEnd(4 << 20), headers });
    expect(put.status).toBe(201);
  });

  test("R3 names and upload ids lead to no file outside the layout", async () => {
    const work = await temporary();
    const directory = join(work, "layout");
    await writeFile(join(work, "secret"), "what it says");
    await using server = await startTestRegistry({ registry: new LayoutRegistry(directory, { create: true }) });
    await pushImage(server.registry, "app", randomImage(), "v1");
    const before = (await readdir(work, { recursive: true })).sort();
    for (const name of [
      "..",
      "../../etc",
      "a/../../secret",
      "%2e%2e%2fsecret",
      "a%2f..%2fsecret",
      "a%00",
      "/etc",
      "a//b",
    ]) {
      for (const rest of ["manifests/v1", "tags/list", "blobs/uploads/", "blobs/uploads/1"]) {
        for (const method of ["GET", "POST", "PUT", "DELETE"]) {
          const answer = await ask(server, method, `/v2/${name}/${rest}`, {
            body: method === "PUT" ? "{}" : undefined,
          });
          expect([name, rest, method, answer.status]).toEqual([
            name,
            rest,
            method,
            expect.toSatisfy((it) => it >= 400 && it < 500),
          ]);
          expect(answer.body).not.toContain("what it says");
        }
      }
    }
    const { headers } = await ask(server, "POST", "/v2/app/blobs/uploads/");
    const id = String(headers["location"]).split("/").at(-1)!;
    expect(id).toMatch(/^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
    for (const path of [
      `/v2/other/blobs/uploads/${id}`,
      `/v2/app/blobs/uploads/${id}%2f..`,
      `/v2/app/blobs/uploads/..%2fuploads%2f${id}`,
      "/v2/app/blobs/uploads/..%2f..%2f..%2fsecret",
      "/v2/app/blobs/sha256:..%2f..%2f..%2fsecret",
      `/v2/app/blobs/sha256:${"../".repeat(21)}x`,
    ]) {
      for (const method of ["GET", "PATCH", "PUT", "DELETE"]) {
        const answer = await ask(server, method, path, { body: method === "GET" ? undefined : "x" });
        expect([path, method, answer.status]).toEqual([path, method, expect.toSatisfy((it) => it >= 400 && it < 500)]);
      }
    }
    expect((await ask(server, "GET", String(headers["location"]))).status).toBe(204);
    await ask(server, "DELETE", String(headers["location"]));
    expect((await readdir(work, { recursive: true })).filter((name) => !name.includes("tmp")).sort()).toEqual(
      before.filter((name) => !name.includes("tmp")),
    );
  });

  test("R9 a web page can reach a loopback server neither by a name of its own site nor from another site", async () => {
    const registry = new MemoryRegistry();
    await pushImage(registry, "app", randomImage(), "v1");
    const server = await serve(registry);
    const port = server.host.split(":")[1];
    const as = (headers: Record<string, string>, method = "GET", path = "/v2/app/tags/list") =>
      ask(server, method, path, { headers });
    try {
      for (const name of ["localhost", "LOCALHOST.", "127.0.0.1", "127.1.2.3", "[::1]", "app.localhost"]) {
        for (const host of [name, `${name}:${port}`, `${name}:80`]) {
          expect([host, (await as({ host })).status]).toEqual([host, 200]);
        }
      }
      for (const host of [
        "attacker.example",
        `attacker.example:${port}`,
        "127.0.0.1.attacker.example",
        "localhost.attacker.example:5000",
        "notlocalhost",
        "user@localhost",
        "0.0.0.0",
        "192.168.1.7:5000",
        "[::2]",
        "127.0.0.1:5000:5000",
      ]) {
        const answer = await as({ host });
        expect([host, answer.status, codeOf(answer)]).toEqual([host, 403, "DENIED"]);
        expect(answer.body).toContain("--allow-host");
        expect((await as({ host }, "POST", "/v2/app/blobs/uploads/")).status).toBe(403);
      }
      const pages: Record<string, string>[] = [
        { origin: "https://attacker.example" },
        { origin: "null" },
        { origin: `http://localhost:${Number(port) + 1}` },
        { "sec-fetch-site": "cross-site" },
      ];
      for (const headers of pages) {
        for (const method of ["GET", "HEAD", "POST", "OPTIONS"]) {
          const answer = await as(headers, method, method === "POST" ? "/v2/app/blobs/uploads/" : undefined);
          expect([headers, method, answer.status]).toEqual([headers, method, 403]);
          expect(answer.headers["access-control-allow-origin"]).toBeUndefined();
        }
        expect((await as(headers)).body).toContain("--allow-origin");
      }
      expect((await as({ "sec-fetch-site": "none" })).status).toBe(200);
    } finally {
      await server.close();
    }
  });

  test("R8 manifests of missing blobs are refused, subjects are not followed, and referrers come in pages", async () => {
    await using server = await startTestRegistry();
    const type = "application/vnd.oci.image.manifest.v1+json";
    const put = (document: object): Promise<Answer> => {
      const body = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: type, ...document }));
      return ask(server, "PUT", `/v2/app/manifests/${digestOf(body)}`, { body });
    };
    const absent = { mediaType: "application/vnd.oci.empty.v1+json", digest: digestOf(Buffer.from("absent")), size: 6 };
    const refused = await put({ config: absent, layers: [] });
    expect([refused.status, codeOf(refused)]).toEqual([404, "MANIFEST_BLOB_UNKNOWN"]);
    expect(refused.body).toContain(absent.digest);

    const empty = { mediaType: "application/vnd.oci.empty.v1+json", digest: digestOf(Buffer.from("{}")), size: 2 };
    await ask(server, "POST", `/v2/app/blobs/uploads/?digest=${empty.digest}`, { body: "{}" });
    const listed = async (digest: unknown): Promise<string[]> => {
      const { body } = await ask(server, "GET", `/v2/app/referrers/${digest}`);
      return JSON.parse(body).manifests.map((entry: { digest: string }) => entry.digest);
    };
    // A long chain of subjects, the first of which is missing: each list is one step long.
    const chain: unknown[] = [absent.digest];
    for (let count = 0; count < 50; count += 1) {
      const subject = { mediaType: type, digest: chain.at(-1), size: 1 };
      const answer = await put({ config: empty, layers: [], subject });
      expect([answer.status, answer.headers["oci-subject"]]).toEqual([201, chain.at(-1)]);
      chain.push(answer.headers["docker-content-digest"]);
    }
    for (let at = 0; at < 50; at += 1) expect(await listed(chain[at])).toEqual([chain[at + 1]]);
    expect(await listed(chain[50])).toEqual([]);

    const subject = { mediaType: type, digest: digestOf(Buffer.from("subject")), size: 7 };
    const pushed: unknown[] = [];
    for (let count = 0; count < 10; count += 1) {
      const note = "n".repeat((1 << 20) - count);
      const artifactType = `application/vnd.${count % 2 ? "odd" : "even"}`;
      const answer = await put({ artifactType, config: empty, layers: [], subject, annotations: { note } });
      pushed.push(answer.headers["docker-content-digest"]);
    }
    // The largest possible document: in a descriptor, its annotations are too large for a page.
    const largest = { mediaType: "application/vnd.oci.image.index.v1+json", manifests: [], subject };
    const left = (4 << 20) - JSON.stringify({ schemaVersion: 2, ...largest, annotations: { note: "" } }).length;
    const answer = await put({ ...largest, annotations: { note: "n".repeat(left) } });
    expect(answer.status).toBe(201);
    pushed.push(answer.headers["docker-content-digest"]);
    for (const [query, wanted] of [
      ["", pushed],
      ["?artifactType=application%2Fvnd.even", pushed.filter((_, at) => at < 10 && at % 2 === 0)],
    ] as const) {
      const found: string[] = [];
      let seen = 0;
      let path: string | undefined = `/v2/app/referrers/${subject.digest}${query}`;
      while (path !== undefined) {
        const answer: Answer = await ask(server, "GET", path);
        expect(Buffer.byteLength(answer.body)).toBeLessThan(4 << 20);
        expect(answer.headers["oci-filters-applied"]).toBe(query === "" ? undefined : "artifactType");
        for (const entry of JSON.parse(answer.body).manifests) found.push(entry.digest);
        path = /^<(.*)>; rel="next"$/.exec(String(answer.headers["link"] ?? ""))?.[1];
        seen += 1;
      }
      expect(seen).toBeGreaterThan(1);
      expect(found.sort()).toEqual([...wanted].sort());
    }
    const client = new RemoteRegistry(server.host, { insecure: true });
    const own: string[] = [];
    for await (const entry of client.referrers(parseRepoName("app"), subject.digest)) own.push(entry.digest);
    expect(own.sort()).toEqual([...pushed].sort());
    await client.close();
  });

  test("R10 abandoned uploads end, and keep no other client out", async () => {
    const work = await temporary();
    const limits = { ...defaultLimits, uploads: 6, uploadsPerClient: 4, uploadBytes: 1000 };
    const server = await serve(new MemoryRegistry(), { limits });
    const opened = async (from: string): Promise<string> => {
      const { status, headers } = await ask(server, "POST", "/v2/app/blobs/uploads/", { from });
      return status === 202 ? String(headers["location"]) : String(status);
    };
    const known = async (uploads: readonly string[]): Promise<number[]> =>
      Promise.all(uploads.map(async (upload) => (await ask(server, "GET", upload)).status));
    const patch = async (upload: string, size: number, headers = {}): Promise<number> =>
      (await ask(server, "PATCH", upload, { body: Buffer.alloc(size), headers })).status;
    try {
      const first: string[] = [];
      for (let count = 0; count < 4; count += 1) first.push(await opened("127.0.0.1"));
      expect(await opened("127.0.0.1")).toBe("429");
      const others = [await opened("127.0.0.2"), await opened("127.0.0.2")];
      // After this, the first upload has the shortest idle time.
      expect(await patch(first[0]!, 10)).toBe(202);
      others.push(await opened("127.0.0.3"));
      expect(await known([...first, ...others])).toEqual([204, 404, 204, 204, 204, 204, 204]);

      expect(await patch(first[2]!, 600)).toBe(202);
      expect(await patch(others[0]!, 600)).toBe(202);
      expect(await known([first[2]!, first[3]!, others[0]!])).toEqual([404, 204, 204]);
      expect(await patch(others[1]!, 1001)).toBe(413);
      expect(await patch(others[2]!, 1001, { "transfer-encoding": "chunked" })).toBe(413);
      expect(await known(others)).toEqual([204, 404, 404]);

      // An upload that a request is adding to is never dropped for another one.
      const [host, port] = server.host.split(":");
      const slow = connect(Number(port), host);
      const begun = once(server.server, "request");
      slow.write(`PATCH ${others[0]} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 300\r\n\r\n`);
      await begun;
      const late = await opened("127.0.0.4");
      for (let status = 202; status === 202; ) status = await patch(late, 20);
      expect(await patch(late, 20)).toBe(429);
      slow.destroy();
      expect(server.server.headersTimeout).toBeGreaterThan(0);
    } finally {
      await server.close();
    }

    // Without other clients too, the file of an idle upload is removed; a stalled body ends its request, not the upload.
    const layout = new LayoutRegistry(work, { create: true });
    const quick = await serve(layout, { uploadIdleMs: 20 });
    const left = async (): Promise<string[]> => {
      const sessions = await readdir(join(work, "tmp"));
      return (await Promise.all(sessions.map((name) => readdir(join(work, "tmp", name))))).flat();
    };
    try {
      const { headers } = await ask(quick, "POST", "/v2/app/blobs/uploads/", {});
      while ((await ask(quick, "GET", String(headers["location"]))).status !== 404) await sleep(10);
      while ((await left()).length > 0) await sleep(10);
    } finally {
      await quick.close();
      await layout.close();
    }
    const impatient = await serve(new MemoryRegistry(), { bodyIdleMs: 50 });
    try {
      const location = String((await ask(impatient, "POST", "/v2/app/blobs/uploads/")).headers["location"]);
      const [host, port] = impatient.host.split(":");
      const stuck = connect(Number(port), host);
      stuck.write(`PATCH ${location} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\nsome`);
      await new Promise((resolve) =>
        stuck
          .on("error", () => {})
          .on("close", resolve)
          .resume(),
      );
      expect(await ask(impatient, "GET", location)).toMatchObject({ status: 204, headers: { range: "0-3" } });
    } finally {
      await impatient.close();
    }
  });

  test("clients are distinguished by their address, and with IPv6 by its network", () => {
    expect(clientOf("::ffff:10.0.0.1")).toBe(clientOf("10.0.0.1"));
    expect(clientOf("2001:db8:1:2::1")).toBe(clientOf("2001:db8:1:2:3:4:5:6"));
    expect(clientOf("2001:db8::1")).toBe(clientOf("2001:db8:0:0:9::1"));
    expect(clientOf("2001:db8:1:2::1")).not.toBe(clientOf("2001:db8:1:3::1"));
    expect(clientOf("::1")).not.toBe(clientOf("fe80::1"));
  });

  test("R11 no stored content is served as a web page or a script", async () => {
    const directory = await temporary();
    const types = {
      html: "text/html",
      parameters: "application/vnd.oci.image.manifest.v1+json; charset=utf-8",
      script: "text/javascript",
      svg: "image/svg+xml",
      none: "application/vnd.",
      split: "application/vnd.a+json\r\nset-cookie: a=b",
      vendor: "application/vnd.example.thing.v1+json",
      manifest: "application/vnd.oci.image.manifest.v1+json",
      list: "application/vnd.docker.distribution.manifest.list.v2+json",
      legacy: "application/vnd.docker.distribution.manifest.v1+prettyjws",
    };
    const page = Buffer.from("<script>alert(1)</script>");
    const digest = digestOf(page);
    const manifests = Object.entries(types).map(([tag, mediaType]) => ({
      mediaType,
      digest,
      size: page.length,
      annotations: { "org.opencontainers.image.ref.name": tag },
    }));
    await mkdir(join(directory, "blobs/sha256"), { recursive: true });
    await writeFile(join(directory, "blobs/sha256", hexOf(digest)), page);
    await writeFile(join(directory, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
    await writeFile(join(directory, "index.json"), JSON.stringify({ schemaVersion: 2, manifests }));
    const layout = new LayoutRegistry(directory);
    await using server = await startTestRegistry({ registry: layout });
    const repo = layout.defaultRepository;
    const served: Record<string, unknown> = {};
    for (const tag of Object.keys(types)) {
      const answer = await ask(server, "GET", `/v2/${repo}/manifests/${tag}`);
      served[tag] = answer.headers["content-type"];
      expect(answer.headers["x-content-type-options"]).toBe("nosniff");
    }
    const asStored = ["vendor", "manifest", "list", "legacy"];
    expect(served).toEqual(
      Object.fromEntries(
        Object.entries(types).map(([tag, type]) => [tag, asStored.includes(tag) ? type : "application/octet-stream"]),
      ),
    );
    for (const [method, path] of [
      ["GET", "/v2/"],
      ["GET", "/v2/none/tags/list"],
      ["GET", `/v2/${repo}/blobs/${digest}`],
      ["POST", `/v2/${repo}/blobs/uploads/`],
      ["DELETE", "/"],
    ] as const) {
      const { headers } = await ask(server, method, path);
      expect([path, headers["x-content-type-options"]]).toEqual([path, "nosniff"]);
      expect(headers["content-type"] ?? "").not.toMatch(/html|script/);
    }
  });

  test("allowed names and pages are answered, and the answer lists the headers that a page may read", async () => {
    const server = await serve(new MemoryRegistry(), {
      allowHosts: ["Registry.example", "::2"],
      allowOrigins: ["https://ui.example"],
    });
    const as = (headers: Record<string, string>, method = "GET") => ask(server, method, "/v2/", { headers });
    try {
      for (const host of ["registry.example", "registry.example:443", "[::2]:5000", "localhost"]) {
        expect([host, (await as({ host })).status]).toEqual([host, 200]);
      }
      expect((await as({ host: "other.example" })).status).toBe(403);
      const page = { host: "registry.example", origin: "https://ui.example", "sec-fetch-site": "cross-site" };
      const answer = await as(page);
      expect([answer.status, answer.headers["access-control-allow-origin"]]).toEqual([200, "https://ui.example"]);
      expect(answer.headers["access-control-expose-headers"]).toContain("Docker-Content-Digest");
      const preflight = await as({ ...page, "access-control-request-headers": "content-type" }, "OPTIONS");
      expect(preflight.status).toBe(204);
      expect(preflight.headers["access-control-allow-headers"]).toBe("content-type");
      expect((await as({ ...page, origin: "https://ui.example.attacker.example" })).status).toBe(403);
    } finally {
      await server.close();
    }
    for (const options of [
      { allowHosts: ["a.example:5000"] },
      { allowHosts: [""] },
      { allowOrigins: ["ui.example"] },
    ]) {
      await expect(serve(new MemoryRegistry(), options)).rejects.toMatchObject({ code: "USAGE" });
    }
  });

  test("not on loopback, any name is answered, unless names are given", async () => {
    for (const [options, status] of [
      [{ host: "0.0.0.0" }, 200],
      [{ host: "0.0.0.0", allowHosts: ["registry.example"] }, 403],
      [{ host: "localhost" }, 403],
    ] as const) {
      const server = await serve(new MemoryRegistry(), options);
      try {
        const reached = { host: server.host.replace("0.0.0.0", "127.0.0.1").replace("[::1]", "localhost") };
        const answer = await ask(reached, "GET", "/v2/", { headers: { host: "team-registry:5000" } });
        expect([options, answer.status]).toEqual([options, status]);
      } finally {
        await server.close();
      }
    }
  });
});
