import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { answer, type Listening, listening } from "../../../../test/support/http.ts";
import { temporary } from "../../../../test/support/temporary.ts";
import { bytesSource } from "../../../content/index.ts";
import { parseRepoName } from "../../../reference/index.ts";
import { digestOf } from "../../../spec/index.ts";
import { rejects, seededBytes, testBlob } from "../../../testing/index.ts";
import { RemoteRegistry } from "../remote.ts";
import { fileUploads } from "../upload-memory.ts";

const app = parseRepoName("app");
const blob = testBlob(seededBytes(40_000_000, 3));
const source = bytesSource(blob.descriptor, blob.bytes);

interface Upload {
  readonly chunks: Buffer[];
  committed: boolean;
}

interface Server extends Listening {
  readonly upload: Upload;
  /** The lengths of the bodies of PATCH requests that were received completely. */
  readonly patches: number[];
  posts: number;
}

interface Ways {
  /** For each PATCH: "take" it, answer with a status, or break the connection after some bytes. */
  readonly patch?: (at: number, size: number) => "take" | number | { readonly breaksAfter: number };
  readonly status?: (upload: Upload) => number;
  readonly commit?: (at: number) => number | "slow";
  readonly headers?: Record<string, string>;
}

/** A registry that takes one blob, in the ways that a test asks for. */
async function uploads(ways: Ways = {}): Promise<Server> {
  let patches = 0;
  let commits = 0;
  const upload: Upload = { chunks: [], committed: false };
  const have = (): number => upload.chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  const place = (): Record<string, string> => ({
    location: "/v2/app/blobs/uploads/1",
    range: `0-${Math.max(0, have() - 1)}`,
  });
  const server: Listening = await listening((request, response) => {
    const url = new URL(request.url!, "http://x");
    if (request.method === "POST") {
      self.posts += 1;
      upload.chunks.length = 0;
      return void request.resume().on("end", () => answer(response, 202, "", { ...place(), ...ways.headers }));
    }
    if (request.method === "HEAD")
      return answer(
        response,
        upload.committed ? 200 : 404,
        "",
        upload.committed ? { "content-length": String(blob.bytes.length) } : {},
      );
    if (request.method === "GET" && url.pathname.includes("/uploads/")) {
      const status = ways.status?.(upload) ?? 204;
      return answer(response, status, "", status === 204 ? place() : {});
    }
    if (request.method === "PATCH") {
      const size = Number(request.headers["content-length"]);
      const how = ways.patch?.(patches, size) ?? "take";
      patches += 1;
      const range = /^(\d+)-/.exec(request.headers["content-range"] ?? "");
      if (range && Number(range[1]) !== have())
        return void request.resume().on("end", () => answer(response, 416, "", place()));
      if (typeof how === "number") return void request.resume().on("end", () => answer(response, how));
      let room = how === "take" ? Number.POSITIVE_INFINITY : how.breaksAfter;
      request.on("data", (chunk: Buffer) => {
        const part = chunk.subarray(0, room);
        room -= part.length;
        upload.chunks.push(Buffer.from(part));
        if (room === 0) request.socket.destroy();
      });
      request.on("end", () => {
        self.patches.push(size);
        answer(response, 202, "", place());
      });
      request.on("error", () => {});
      return;
    }
    if (request.method === "PUT") {
      const parts: Buffer[] = [];
      request.on("data", (chunk: Buffer) => parts.push(chunk));
      request.on("end", () => {
        upload.chunks.push(...parts);
        const how = ways.commit?.(commits) ?? 201;
        commits += 1;
        const right = url.searchParams.get("digest") === digestOf(Buffer.concat(upload.chunks));
        const finish = (): void => {
          upload.committed = right;
          answer(response, right ? 201 : 400, right ? "" : { errors: [{ code: "DIGEST_INVALID", message: "no" }] });
        };
        if (how === "slow") setTimeout(finish, 700);
        else if (how === 201) finish();
        else answer(response, how);
      });
      return;
    }
    answer(response, 200, {});
  });
  const self: Server = Object.assign(server, { upload, patches: [] as number[], posts: 0 });
  return self;
}

async function push(server: Server, options: ConstructorParameters<typeof RemoteRegistry>[1] = {}): Promise<string[]> {
  const said: string[] = [];
  const registry = new RemoteRegistry(server.host, {
    backoff: 1,
    progress: (event) => void (event.type === "message" && said.push(event.text)),
    ...options,
  });
  try {
    await registry.pushBlob(app, blob.descriptor, source);
    expect(server.upload.committed).toBe(true);
    return said;
  } finally {
    await registry.close();
  }
}

describe("pushing a large blob", () => {
  test("takes one PATCH without a range, and a commit", async () => {
    const server = await uploads();
    await push(server);
    expect(server.patches).toEqual([blob.bytes.length]);
    expect(server.seen.find(({ method }) => method === "PATCH")!.headers["content-range"]).toBeUndefined();
  });

  test("is resumed at the position that the registry reports, as long as there is progress", async () => {
    const server = await uploads({ patch: (at) => (at < 8 ? { breaksAfter: 4_000_000 } : "take") });
    await push(server);
    expect(server.posts).toBe(1);
    expect(server.patches).toEqual([8_000_000]);
  });

  test("continues in smaller chunks after a 413, but not below the minimum of the registry; then it fails and says why", async () => {
    const limited = await uploads({ patch: (_at, size) => (size > 5_000_000 ? 413 : "take") });
    await push(limited);
    expect(Math.max(...limited.patches)).toBe(4 << 20);
    const headers = { "oci-chunk-min-length": String(10_000_000) };
    const picky = await uploads({ headers, patch: (_at, size) => (size > 18_000_000 ? 413 : "take") });
    await push(picky);
    expect(picky.patches).toEqual([16 << 20, 16 << 20, blob.bytes.length - (32 << 20)]);
    const never = await uploads({ headers, patch: () => 413 });
    await expect(push(never)).rejects.toThrow(/client_max_body_size/);
  });

  test("continues in smaller chunks also where the registry does not report a position", async () => {
    const server = await uploads({ status: () => 404, patch: (_at, size) => (size > 5_000_000 ? 413 : "take") });
    await push(server);
    expect(Math.max(...server.patches)).toBe(4 << 20);
  });

  test("fails only after several failures in a row", async () => {
    const server = await uploads({ patch: (at, size) => (size > 2_000_000 ? 413 : at % 3 === 0 ? 500 : "take") });
    await push(server);
    expect(server.patches.length).toBe(Math.ceil(blob.bytes.length / (1 << 20)));
  });

  test("is sent once more, in chunks and with a warning, where the registry forgets it; not a third time", async () => {
    const forgets = await uploads({
      status: () => 404,
      patch: (at) => (at === 0 ? { breaksAfter: 9_000_000 } : "take"),
    });
    const said = await push(forgets);
    expect([forgets.posts, forgets.patches[0]]).toEqual([2, 8 << 20]);
    expect(said.some((text) => text.includes("sending it from the start once more"))).toBe(true);
    const hopeless = await uploads({ status: () => 404, patch: () => ({ breaksAfter: 1_000_000 }) });
    await rejects(push(hopeless), "TRANSFER_INTERRUPTED");
    expect(hopeless.posts).toBe(2);
  });

  test("after a slow commit or a lost answer, asks the registry for the blob before it repeats the commit", async () => {
    const slow = await uploads({ commit: () => "slow" });
    await push(slow, { headerTimeout: 200 });
    expect(slow.posts).toBe(1);
    const troubled = await uploads({ commit: (at) => (at === 0 ? 502 : 201) });
    await push(troubled);
    expect([troubled.posts, troubled.patches.length]).toEqual([1, 1]);
  });

  test("fails where the registry loses bytes again and again", async () => {
    let turns = 0;
    const backwards = await uploads({
      commit: () => 500,
      status: (upload) => {
        // Each time it has a little less than it reported.
        upload.chunks.splice(0, upload.chunks.length, Buffer.concat(upload.chunks).subarray(0, -1_000_000));
        return 204;
      },
    });
    await rejects(push(backwards, { attempts: 1 }), "TRANSFER_INTERRUPTED");
    expect(backwards.patches.length).toBeLessThan(8);
    const replicas = await uploads({
      patch: (_at, size) => {
        if (size > 17_000_000) return 413;
        turns += 1;
        return turns % 2 === 1 ? "take" : 416;
      },
      status: (upload) => {
        if (turns % 2 === 0) upload.chunks.length = 0;
        return 204;
      },
    });
    await rejects(push(replicas, { attempts: 1 }), "TRANSFER_INTERRUPTED");
    expect(replicas.patches.length).toBeLessThan(12);
  });

  test("takes one PUT where the registry accepts no PATCH", async () => {
    const server = await uploads({ patch: () => 405 });
    const said = await push(server);
    expect(said.some((text) => text.includes("takes a blob only in one request"))).toBe(true);
    expect(server.posts).toBe(2);
  });

  test("throws the source's own error unchanged, and publishes nothing", async () => {
    const server = await uploads();
    const registry = new RemoteRegistry(server.host, { backoff: 1 });
    const wrong = Buffer.from(blob.bytes);
    wrong[35_000_000] = wrong[35_000_000]! ^ 1;
    await rejects(registry.pushBlob(app, blob.descriptor, bytesSource(blob.descriptor, wrong)), "DIGEST_MISMATCH");
    expect([server.upload.committed, server.posts]).toEqual([false, 1]);
    await registry.close();
  });
});

describe("remembered uploads", () => {
  test("are resumed by the next process; only their owner can read the files, which are removed at the end", async () => {
    const directory = join(await temporary(), "uploads");
    let breaks = true;
    const server = await uploads({ patch: () => (breaks ? { breaksAfter: 0 } : "take") });
    const first = await uploads({ patch: (at) => (at === 0 ? { breaksAfter: 10_000_000 } : 500) });
    await rejects(push(first, { uploads: fileUploads(directory), attempts: 1 }), "TRANSFER_INTERRUPTED");
    const [name] = readdirSync(directory);
    const path = join(directory, name!);
    expect([statSync(path).mode & 0o777, statSync(directory).mode & 0o777]).toEqual([0o600, 0o700]);
    expect(JSON.parse(readFileSync(path, "utf8")).location).toContain("/uploads/1");
    breaks = false;
    // Another registry and another blob have other keys.
    await push(server, { uploads: fileUploads(directory) });
    expect(server.patches).toEqual([blob.bytes.length]);
    expect(readdirSync(directory)).toEqual([name]);
  });

  test("are forgotten where the registry no longer knows them, and the blob is pushed from its start", async () => {
    for (const status of [404, 500]) {
      const directory = join(await temporary(), "uploads");
      const uploadsHere = fileUploads(directory);
      const server = await uploads({ status: () => status });
      const key = `http://${server.host} app ${blob.descriptor.digest}`;
      await uploadsHere.save(key, `http://${server.host}/v2/app/blobs/uploads/old`);
      expect(await uploadsHere.load(key)).toContain("/old");
      const said = await push(server, { uploads: uploadsHere });
      expect(said.some((text) => text.includes("forgotten"))).toBe(true);
      expect([server.posts, readdirSync(directory)]).toEqual([1, []]);
    }
  });

  test("are kept for a day, each under its key, and claimed by one push at a time", async () => {
    const directory = join(await temporary(), "uploads");
    const memory = fileUploads(directory);
    await memory.save("a", "http://x/1");
    expect(await memory.load("b")).toBeUndefined();
    const release = memory.claim("a");
    expect(memory.claim("a")).toBeUndefined();
    release!();
    expect(memory.claim("a")).toBeDefined();
    const { utimes, writeFile } = await import("node:fs/promises");
    const path = join(directory, readdirSync(directory)[0]!);
    const entry = JSON.parse(readFileSync(path, "utf8"));
    // The process with the id 1 is always running.
    await writeFile(path, JSON.stringify({ ...entry, pid: 1 }));
    expect(await memory.load("a")).toBeUndefined();
    await writeFile(path, JSON.stringify(entry));
    const yesterday = Date.now() / 1000 - 25 * 3600;
    await utimes(path, yesterday, yesterday);
    expect(await memory.load("a")).toBeUndefined();
    await memory.forget("other");
    expect(readdirSync(directory)).toEqual([]);
  });
});
