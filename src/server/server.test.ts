import { connect } from "node:net";
import { describe, expect, test } from "vitest";
import { ask, codeOf } from "../../test/support/raw.ts";
import { GantryError } from "../base/error.ts";
import { type Body, Content } from "../content/index.ts";
import { parseRepoName, parseTag } from "../reference/index.ts";
import {
  MemoryRegistry,
  type RegistryParts,
  type RegistryReader,
  RemoteRegistry,
  unsupported,
} from "../registry/index.ts";
import { pushImage, randomImage, startTestRegistry } from "../testing/index.ts";
import { serve } from "./index.ts";

describe("the server", () => {
  test("answers malformed requests with an error of the specification, and keeps running", async () => {
    const errors: unknown[] = [];
    await using server = await startTestRegistry({ onError: (error) => errors.push(error) });
    for (const path of [
      "/v2/%zz/tags/list",
      "//",
      "/v2/../../etc/passwd",
      "/v2/UPPER/manifests/x",
      "/v2/a/blobs/sha256:../../x",
      "/v2/a/manifests/%00",
      "/",
      "/v2/a/blobs/uploads/nope",
    ]) {
      const { status, body } = await ask(server, "GET", path);
      expect([path, status]).toEqual([path, expect.toSatisfy((code: number) => code >= 400 && code < 500)]);
      expect(JSON.parse(body).errors[0].code).toMatch(/^[A-Z_]+$/);
    }
    expect((await ask(server, "BREW", "/v2/").catch(() => ({ status: 400 }))).status).toBeGreaterThanOrEqual(400);
    expect(await ask(server, "GET", "/v2/")).toMatchObject({ status: 200 });
    expect(errors).toEqual([]);
  });

  test("pages, ranges and conditional deletes follow the specification", async () => {
    await using server = await startTestRegistry({ allowDelete: false });
    const image = randomImage({ sizes: [5000] });
    for (const tag of ["a", "b", "c"]) await pushImage(server.registry, "app", image, tag);
    const page = await ask(server, "GET", "/v2/app/tags/list?n=2");
    expect(JSON.parse(page.body)).toEqual({ name: "app", tags: ["a", "b"] });
    expect(page.headers["link"]).toBe('</v2/app/tags/list?n=2&last=b>; rel="next"');
    expect(JSON.parse((await ask(server, "GET", "/v2/app/tags/list?n=99999999&last=b")).body).tags).toEqual(["c"]);
    const { digest, size } = image.blobs[1]!.descriptor;
    const range = (value: string) => ask(server, "GET", `/v2/app/blobs/${digest}`, { headers: { range: value } });
    expect(await range("bytes=0-9")).toMatchObject({
      status: 206,
      headers: { "content-range": `bytes 0-9/${size}`, "content-length": "10" },
    });
    expect(await range("bytes=-5")).toMatchObject({ status: 206, headers: { "content-length": "5" } });
    expect(await range(`bytes=${size}-`)).toMatchObject({ status: 416 });
    expect(await range("lines=1-2")).toMatchObject({ status: 200 });
    expect(await ask(server, "DELETE", `/v2/app/manifests/a`)).toMatchObject({ status: 405 });
  });

  test("refuses a manifest that is too large, ambiguous or not under its digest", async () => {
    await using server = await startTestRegistry();
    const put = (path: string, body: Buffer) =>
      ask(server, "PUT", `/v2/app/manifests/${path}`, {
        body,
        headers: { "content-type": "application/vnd.oci.image.manifest.v1+json" },
      });
    expect(await put("v1", Buffer.alloc(5 << 20, " "))).toMatchObject({ status: 413 });
    expect(await put("v1", Buffer.from('{"schemaVersion":2,"manifests":[],"layers":[]}'))).toMatchObject({
      status: 400,
    });
    const empty = Buffer.from(
      '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}',
    );
    const wrong = await ask(server, "PUT", `/v2/app/manifests/sha256:${"0".repeat(64)}`, {
      body: empty,
      headers: { "content-type": "application/vnd.oci.image.index.v1+json" },
    });
    expect(wrong.status).toBe(400);
    expect(JSON.parse(wrong.body).errors[0].code).toBe("DIGEST_INVALID");
  });

  test("serves a reader alone, and answers every other method with 405 UNSUPPORTED", async () => {
    const below = new MemoryRegistry();
    const image = randomImage({ sizes: [5000] });
    await pushImage(below, "app", image, "v1");
    const reader: RegistryReader = {
      name: "reader",
      getManifest: (repo, reference) => below.getManifest(repo, reference),
      getBlob: (repo, blob) => below.getBlob(repo, blob),
      getBlobRange: (repo, blob, range) => below.getBlobRange(repo, blob, range),
      resolveManifest: (repo, reference) => below.resolveManifest(repo, reference),
      resolveBlob: (repo, digest) => below.resolveBlob(repo, digest),
    };
    const failures: unknown[] = [];
    const server = await serve(reader, { allowDelete: true, onError: (error) => failures.push(error) });
    const { descriptor, bytes } = image.blobs[1]!;
    const blob = `/v2/app/blobs/${descriptor.digest}`;
    const manifest = `/v2/app/manifests/${image.descriptor.digest}`;
    try {
      const client = new RemoteRegistry(server.host);
      const repo = parseRepoName("app");
      const stored = await client.getManifest(repo, parseTag("v1"));
      expect(stored.descriptor.digest).toBe(image.descriptor.digest);
      expect((await (await client.getBlob(repo, descriptor)).bytes()).equals(bytes)).toBe(true);
      await client.close();
      expect((await ask(server, "HEAD", manifest)).status).toBe(200);
      expect((await ask(server, "GET", blob, { headers: { range: "bytes=1-3" } })).status).toBe(206);
      const headers = { "content-type": image.descriptor.mediaType ?? "" };
      for (const [method, path, body] of [
        ["POST", "/v2/app/blobs/uploads/"],
        ["POST", `/v2/app/blobs/uploads/?mount=${descriptor.digest}&from=other`],
        ["POST", `/v2/app/blobs/uploads/?digest=${descriptor.digest}`, bytes],
        ["PUT", "/v2/app/manifests/v2", stored.bytes],
        ["DELETE", "/v2/app/manifests/v1"],
        ["DELETE", manifest],
        ["DELETE", blob],
        ["GET", "/v2/app/tags/list"],
        ["GET", "/v2/_catalog"],
      ] as const) {
        const answer = await ask(server, method, path, { body, headers });
        expect([method, path, answer.status, codeOf(answer)]).toEqual([method, path, 405, "UNSUPPORTED"]);
      }
      // A client then looks for the list under its fallback tag.
      expect((await ask(server, "GET", `/v2/app/referrers/${image.descriptor.digest}`)).status).toBe(404);
      expect(failures).toEqual([]);
    } finally {
      await server.close();
    }
  });

  test("serves a registry with getManifest and getBlob alone; a client pulls from it, also after a cut", async () => {
    const below = new MemoryRegistry();
    const image = randomImage({ sizes: [500_000] });
    await pushImage(below, "app", image, "v1");
    const { descriptor, bytes } = image.blobs[1]!;
    let cuts = 0;
    const parts: RegistryParts = {
      name: "own",
      getManifest: (repo, reference) => below.getManifest(repo, reference),
      async getBlob(repo, blob) {
        const content = await below.getBlob(repo, blob);
        const body: Body = {
          async pump(write) {
            const all = await content.bytes();
            await write(all.subarray(0, 300_000));
            if (cuts === 1) {
              cuts = 2;
              throw new Error("cut");
            }
            await write(all.subarray(300_000));
          },
          close: () => content.cancel(),
        };
        return new Content(content.descriptor, body, { what: "own blob" });
      },
    };
    const failures: unknown[] = [];
    const server = await serve(parts, { onError: (error) => failures.push(error) });
    const client = new RemoteRegistry(server.host, { backoff: 1 });
    try {
      const [repo, path] = [parseRepoName("app"), `/v2/app/blobs/${descriptor.digest}`];
      expect((await client.resolveManifest(repo, parseTag("v1"))).digest).toBe(image.descriptor.digest);
      expect((await client.getManifest(repo, parseTag("v1"))).descriptor.digest).toBe(image.descriptor.digest);
      expect((await client.resolveBlob(repo, descriptor.digest)).size).toBe(bytes.length);
      expect((await (await client.getBlob(repo, descriptor)).bytes()).equals(bytes)).toBe(true);
      for (const range of [undefined, "bytes=1-3", "bytes=-5", `bytes=${bytes.length}-`]) {
        const { status, headers } = await ask(server, "GET", path, { headers: range ? { range } : {} });
        expect([range, status, headers["content-length"]]).toEqual([range, 200, String(bytes.length)]);
        expect(headers).not.toHaveProperty("accept-ranges");
        expect(headers).not.toHaveProperty("content-range");
      }
      expect((await ask(server, "HEAD", path)).headers).not.toHaveProperty("accept-ranges");
      cuts = 1;
      expect((await (await client.getBlob(repo, descriptor)).bytes()).equals(bytes)).toBe(true);
      expect(cuts).toBe(2);
      expect(failures).toEqual([new Error("cut")]);
    } finally {
      await client.close();
      await server.close();
    }
  });

  test("sends the whole blob if the registry refuses ranges, and other errors of ranges as they are", async () => {
    const below = new MemoryRegistry();
    const image = randomImage({ sizes: [5000] });
    await pushImage(below, "app", image, "v1");
    const { digest, size } = image.blobs[1]!.descriptor;
    let refusal = unsupported("below", "ranges of blobs") as GantryError;
    below.getBlobRange = async () => {
      throw refusal;
    };
    await using server = await startTestRegistry({ registry: below });
    const range = () => ask(server, "GET", `/v2/app/blobs/${digest}`, { headers: { range: "bytes=0-9" } });
    const { status, headers } = await range();
    expect([status, headers["content-length"]]).toEqual([200, String(size)]);
    expect(headers).not.toHaveProperty("accept-ranges");
    refusal = new GantryError("DENIED", "no");
    expect(await range()).toMatchObject({ status: 403 });
  });

  test("takes bytes of an upload from one request at a time, and limits the open uploads of a client", async () => {
    await using server = await startTestRegistry();
    const { headers } = await ask(server, "POST", "/v2/app/blobs/uploads/");
    const location = String(headers["location"]);
    const [host, port] = server.host.split(":");
    const slow = connect(Number(port), host);
    slow.write(`PATCH ${location} HTTP/1.1\r\nhost: ${server.host}\r\ncontent-length: 100\r\n\r\nsome`);
    await new Promise((resolve) => setTimeout(resolve, 100));
    const second = await ask(server, "PATCH", location, { body: Buffer.from("other") });
    expect([second.status, JSON.parse(second.body).errors[0].code]).toEqual([400, "BLOB_UPLOAD_INVALID"]);
    expect(await ask(server, "GET", location.replace("/app/", "/other/"))).toMatchObject({ status: 404 });
    slow.destroy();
    for (let count = 1; count < 256; count += 1) await ask(server, "POST", "/v2/app/blobs/uploads/");
    expect(await ask(server, "POST", "/v2/app/blobs/uploads/")).toMatchObject({ status: 429 });
    expect(await ask(server, "DELETE", location)).toMatchObject({ status: 204 });
    expect(await ask(server, "POST", "/v2/app/blobs/uploads/")).toMatchObject({ status: 202 });
  });
});
