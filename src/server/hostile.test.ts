import { mkdir, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { temporary } from "../../test/support/temporary.ts";
import { LayoutRegistry } from "../registry/layout/layout.ts";
import { MemoryRegistry } from "../registry/memory/memory.ts";
import { digestOf, hexOf } from "../spec/digest.ts";
import { pushImage, randomImage, startTestRegistry } from "../testing/index.ts";
import { serve } from "./serve.ts";

interface Answer {
  readonly status: number;
  readonly headers: NodeJS.Dict<string | string[]>;
  readonly body: string;
}

interface Asked {
  readonly body?: Buffer | string | undefined;
  readonly headers?: Readonly<Record<string, string>>;
  /** The address that the request comes from. */
  readonly from?: string;
}

/** One raw request: paths and headers go out as they are written. */
function ask(server: { readonly host: string }, method: string, path: string, asked: Asked = {}): Promise<Answer> {
  const [host, port] = server.host.split(":");
  return new Promise((resolve, reject) => {
    const options = { host, port, method, path, headers: asked.headers ?? {}, agent: false, localAddress: asked.from };
    const sent = request(options, (response) => {
      let body = "";
      response.on("data", (data) => {
        body += data;
      });
      response.on("end", () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }));
    });
    sent.on("error", reject);
    sent.end(asked.body);
  });
}

const codeOf = ({ body }: Answer): string => JSON.parse(body).errors[0].code;

describe("a server among hostile clients", () => {
  test("R9 a page in a browser can neither call a loopback server by a name of its own, nor ask from another site", async () => {
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

  test("R11 nothing that is stored is served as a web page or a script", async () => {
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

  test("names and pages that are allowed are answered, and pages are told what they may read", async () => {
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

  test("beyond loopback any name is answered, unless the names are given", async () => {
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
