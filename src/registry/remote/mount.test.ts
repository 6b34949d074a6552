import { expect, test } from "vitest";
import { answer, type Listening, listening } from "../../../test/support/http.ts";
import { bytesSource } from "../../content/index.ts";
import { parseRepoName, parseTag } from "../../reference/index.ts";
import { pushImage, randomImage, rejects, seededBytes, startTestRegistry, testBlob } from "../../testing/index.ts";
import { copyImage } from "../../transfer/index.ts";
import { MemoryRegistry } from "../memory/memory.ts";
import { unsupported } from "../refusals.ts";
import { RemoteRegistry } from "./remote.ts";

const app = parseRepoName("app");
const other = parseRepoName("other");
const v1 = parseTag("v1");

/** Copies app:v1 to `to`:v1 within one registry. */
async function copied(host: string, to = other) {
  const registry = new RemoteRegistry(host, { backoff: 1 });
  const location = { registry, name: "a test" };
  try {
    return await copyImage({ ...location, repo: app, reference: v1 }, { ...location, repo: to, reference: v1 });
  } finally {
    await registry.close();
  }
}

/** The requests for uploads, in order. */
const uploads = (requests: readonly { readonly method: string; readonly path: string }[]): string[] =>
  requests
    .filter(({ path }) => path.includes("/blobs/uploads/"))
    .map(({ method, path }) => `${method}${path.includes("mount=") ? " mount" : ""}`);

test("a successful mount takes one request for each blob", async () => {
  await using server = await startTestRegistry();
  const image = randomImage();
  await pushImage(server.registry, app, image, "v1");
  const { blobs } = await copied(server.host);
  expect(blobs).toEqual({ moved: 0, mounted: image.blobs.length, existing: 0 });
  expect(uploads(server.requests)).toEqual(image.blobs.map(() => "POST mount"));
});

test("where the registry starts an upload instead of the mount, the bytes are sent to that upload", async () => {
  const registry = Object.assign(new MemoryRegistry(), {
    async mountBlob(): Promise<never> {
      throw unsupported("memory", "mounting");
    },
  });
  const image = randomImage();
  await pushImage(registry, app, image, "v1");
  await using server = await startTestRegistry({ registry });
  const { blobs } = await copied(server.host);
  expect(blobs).toEqual({ moved: image.blobs.length, mounted: 0, existing: 0 });
  expect(uploads(server.requests).sort()).toEqual([
    ...image.blobs.map(() => "POST mount"),
    ...image.blobs.map(() => "PUT"),
  ]);
});

test.each([400, 401, 403, 404, 405, 409, 416, 429, 500, 501, 503])(
  "after a mount that is answered with %i, the bytes are sent",
  async (status) => {
    const faults = [{ on: { kind: "status", status, retryAfter: "0" }, path: /mount=/ }] as const;
    await using server = await startTestRegistry({ faults });
    const image = randomImage();
    await pushImage(server.registry, app, image, "v1");
    const { blobs, descriptor } = await copied(server.host);
    expect(blobs).toEqual({ moved: image.blobs.length, mounted: 0, existing: 0 });
    expect((await server.registry.getManifest(other, v1)).descriptor.digest).toBe(descriptor.digest);
  },
);

test("where the registry refuses the mount and the push, the error is that of the push", async () => {
  await using server = await startTestRegistry({ faults: [{ on: { kind: "status", status: 401 }, method: "POST" }] });
  await pushImage(server.registry, app, randomImage(), "v1");
  await rejects(copied(server.host), "UNAUTHORIZED");
  expect(uploads(server.requests)).not.toContain("PUT");
});

test("nothing is mounted from a repository to itself", async () => {
  await using server = await startTestRegistry();
  const blob = testBlob(seededBytes(1_000));
  const registry = new RemoteRegistry(server.host);
  const source = bytesSource(blob.descriptor, blob.bytes);
  await registry.pushBlob(app, blob.descriptor, source, { mountFrom: app });
  await registry.mountBlob(app, app, blob.descriptor.digest);
  expect(uploads(server.requests)).toEqual(["POST", "PUT"]);
  await rejects(registry.mountBlob(other, other, blob.descriptor.digest), "BLOB_UNKNOWN");
  await registry.close();
});

test("where an earlier upload is resumed, the upload that a mount has started is cancelled", async () => {
  const blob = testBlob(seededBytes((32 << 20) + 10));
  const asked: string[] = [];
  const there = 20 << 20;
  const server: Listening = await listening((request, response) => {
    const { method, url = "" } = request;
    if (url !== "/v2/") asked.push(`${method} ${url.replace(/\?.*/, url.includes("mount=") ? " mount" : "")}`);
    request.resume().on("end", () => {
      if (method === "POST") return answer(response, 202, "", { location: "/v2/app/blobs/uploads/new" });
      if (method === "GET" && url.includes("saved")) {
        return answer(response, 204, "", { location: "/v2/app/blobs/uploads/saved", range: `0-${there - 1}` });
      }
      if (method === "PATCH") return answer(response, 202, "", { location: "/v2/app/blobs/uploads/saved" });
      if (method === "PUT") return answer(response, 201);
      if (method === "DELETE") return answer(response, 204);
      answer(response, 200, {});
    });
  });
  const memory = {
    load: async () => `http://${server.host}/v2/app/blobs/uploads/saved`,
    save: async () => {},
    forget: async () => {},
    claim: () => () => {},
  };
  const registry = new RemoteRegistry(server.host, { uploads: memory });
  await registry.pushBlob(app, blob.descriptor, bytesSource(blob.descriptor, blob.bytes), { mountFrom: other });
  expect(asked).toEqual([
    "POST /v2/app/blobs/uploads/ mount",
    "GET /v2/app/blobs/uploads/saved",
    "PATCH /v2/app/blobs/uploads/saved",
    "PUT /v2/app/blobs/uploads/saved",
    "DELETE /v2/app/blobs/uploads/new",
  ]);
  await registry.close();
});
