import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Service, serve } from "../../src/server/index.ts";
import { type Digest, type DigestAlgorithm, digestOf } from "../../src/spec/digest.ts";
import { mediaTypes } from "../../src/spec/media-types.ts";
import { openServed } from "../../src/verbs/serve.ts";
import { type Answer, type Asked, ask } from "../support/raw.ts";

/**
 * The distribution specification as a table: its endpoints, their statuses and headers. Each row runs over a memory
 * registry, a layout and a store that are served over HTTP. Rows are named by the ids that the specification gives its
 * endpoints; `must` marks what it calls a MUST.
 */
interface Row {
  readonly end: string;
  readonly says: string;
  readonly must?: false;
  /** What came back, and what had to. */
  readonly run: (world: World) => Promise<unknown>;
  readonly want: unknown;
}

const kinds = ["memory", "layout", "store"] as const;

const absent = digestOf(Buffer.from("never pushed anywhere"));
const emptyJson = Buffer.from("{}");

/** One repository of a served registry, for one row. */
class World {
  readonly repo: string;
  readonly #open: Service;
  /** The same registry where deletion is not allowed. */
  readonly #locked: Service;

  constructor(repo: string, open: Service, locked: Service) {
    this.repo = repo;
    this.#open = open;
    this.#locked = locked;
  }

  /** A request below `/v2/REPO/`, or to a whole path. */
  ask(method: string, path: string, asked: Asked = {}): Promise<Answer> {
    return ask(this.#open, method, this.#path(path), asked);
  }

  askLocked(method: string, path: string): Promise<Answer> {
    return ask(this.#locked, method, this.#path(path));
  }

  #path(path: string): string {
    return path.startsWith("/") ? path : `/v2/${this.repo}/${path}`;
  }

  /** Bytes that no other row pushes. */
  bytes(text = "bytes"): Buffer {
    return Buffer.from(`${text} of ${this.repo}`);
  }

  async blob(bytes = this.bytes(), algorithm: DigestAlgorithm = "sha256", repo = this.repo): Promise<Digest> {
    const digest = digestOf(bytes, algorithm);
    await this.ask("POST", `/v2/${repo}/blobs/uploads/?digest=${digest}`, { body: bytes });
    return digest;
  }

  /** The location of a new upload that has taken `first`. */
  async upload(first = ""): Promise<string> {
    const started = String((await this.ask("POST", "blobs/uploads/")).headers["location"]);
    return first === "" ? started : String((await this.ask("PATCH", started, { body: first })).headers["location"]);
  }

  put(reference: string, document: object | string, type: string = mediaTypes.manifest): Promise<Answer> {
    const body = typeof document === "string" ? document : JSON.stringify(document);
    return this.ask("PUT", `manifests/${reference}`, { body, headers: { "content-type": type } });
  }

  /** Pushes a manifest under a tag, or under its digest alone. */
  async manifest(tag?: string, more: object = {}): Promise<Digest> {
    const document = JSON.stringify(await this.document(more));
    const digest = digestOf(Buffer.from(document));
    await this.put(tag ?? digest, document);
    return digest;
  }

  /** A manifest that no other row pushes; what it refers to is there. */
  async document(more: object = {}): Promise<object> {
    const config = { mediaType: mediaTypes.emptyJson, digest: await this.blob(emptyJson), size: 2 };
    const annotations = { repo: this.repo };
    return { schemaVersion: 2, mediaType: mediaTypes.manifest, config, layers: [], annotations, ...more };
  }
}

const statusOf = async (answer: Promise<Answer>): Promise<number> => (await answer).status;
const codeOf = async (answer: Promise<Answer>): Promise<unknown> => {
  const { status, body } = await answer;
  return [status, body === "" ? undefined : JSON.parse(body).errors?.[0].code];
};
/** The status, and what the headers say. */
const headersOf = ({ status, headers }: Answer, ...names: string[]): unknown => [
  status,
  ...names.map((name) => headers[name]),
];
const descriptor = (digest: string, size = 2, mediaType: string = mediaTypes.manifest): object => ({
  mediaType,
  digest,
  size,
});

const rows: readonly Row[] = [
  { end: "end-1", says: "GET /v2/ is 200", run: (w) => statusOf(w.ask("GET", "/v2/")), want: 200 },
  {
    end: "end-2",
    says: "GET and HEAD of a blob are 200 with digest and length, GET has the bytes",
    async run(w) {
      const digest = await w.blob();
      const [get, head] = [await w.ask("GET", `blobs/${digest}`), await w.ask("HEAD", `blobs/${digest}`)];
      const right = [200, digest, String(w.bytes().length)];
      const found = [get, head].map((it) => headersOf(it, "docker-content-digest", "content-length"));
      return [
        found.map((it) => JSON.stringify(it) === JSON.stringify(right)),
        get.body === String(w.bytes()),
        head.body,
      ];
    },
    want: [[true, true], true, ""],
  },
  {
    end: "end-2",
    says: "a blob may be named by its sha512",
    async run(w) {
      const digest = await w.blob(w.bytes(), "sha512");
      const get = await w.ask("GET", `blobs/${digest}`);
      return [get.status, get.body === String(w.bytes()), get.headers["docker-content-digest"] === digest];
    },
    want: [200, true, true],
  },
  {
    end: "end-2",
    says: "GET and HEAD of a blob that is not there are 404",
    async run(w) {
      const path = `blobs/${absent}`;
      return [await codeOf(w.ask("GET", path)), headersOf(await w.ask("HEAD", path)), (await w.ask("HEAD", path)).body];
    },
    want: [[404, "BLOB_UNKNOWN"], [404], ""],
  },
  {
    end: "end-2",
    says: "a blob of another repository is 404",
    async run(w) {
      const digest = await w.blob(w.bytes(), "sha256", `${w.repo}/other`);
      return [await statusOf(w.ask("GET", `blobs/${digest}`)), await statusOf(w.ask("HEAD", `blobs/${digest}`))];
    },
    want: [404, 404],
  },
  {
    end: "end-2",
    says: "a Range is answered with 206 and Content-Range, one past the end with 416",
    must: false,
    async run(w) {
      const digest = await w.blob(Buffer.from(`0123456789${w.repo}`));
      const size = 10 + w.repo.length;
      const part = await w.ask("GET", `blobs/${digest}`, { headers: { range: "bytes=2-4" } });
      const past = await w.ask("GET", `blobs/${digest}`, { headers: { range: `bytes=${size}-` } });
      const whole = await w.ask("GET", `blobs/${digest}`, { headers: { range: "bytes=500-0" } });
      const ranges = [part, past].map((it) => String(it.headers["content-range"]).replace(`/${size}`, "/SIZE"));
      return [part.status, part.body, past.status, ranges, whole.status];
    },
    want: [206, "234", 416, ["bytes 2-4/SIZE", "bytes */SIZE"], 200],
  },
  {
    end: "end-2",
    says: "what is no digest, or of an unknown algorithm, is 400",
    must: false,
    run: (w) =>
      Promise.all(
        ["sha256:abc", "md5:d41d8cd98f00b204e9800998ecf8427e"].map((it) => codeOf(w.ask("GET", `blobs/${it}`))),
      ),
    want: [
      [400, "DIGEST_INVALID"],
      [400, "DIGEST_INVALID"],
    ],
  },
  {
    end: "end-3",
    says: "GET and HEAD of a manifest, by tag and by digest, are 200 with digest, length and the type it was pushed as",
    async run(w) {
      const document = JSON.stringify(await w.document(), null, 3);
      const digest = digestOf(Buffer.from(document));
      await w.put("v1", document);
      const answers: unknown[] = [];
      for (const reference of ["v1", digest]) {
        const [get, head] = [
          await w.ask("GET", `manifests/${reference}`),
          await w.ask("HEAD", `manifests/${reference}`),
        ];
        answers.push(get.body === document, head.body);
        for (const { status, headers } of [get, head]) {
          const { "content-length": length, "docker-content-digest": named, "content-type": type } = headers;
          answers.push(status === 200 && length === String(document.length) && named === digest && type);
        }
      }
      return answers;
    },
    want: [true, "", mediaTypes.manifest, mediaTypes.manifest, true, "", mediaTypes.manifest, mediaTypes.manifest],
  },
  {
    end: "end-3",
    says: "manifests and indexes of OCI and Docker keep their types",
    must: false,
    async run(w) {
      const found: unknown[] = [];
      for (const type of [mediaTypes.manifest, mediaTypes.index, mediaTypes.dockerManifest, mediaTypes.dockerIndex]) {
        const isIndex = type === mediaTypes.index || type === mediaTypes.dockerIndex;
        const document = isIndex ? { schemaVersion: 2, manifests: [] } : await w.document();
        await w.put("v1", { ...document, mediaType: type }, type);
        found.push((await w.ask("GET", "manifests/v1")).headers["content-type"]);
      }
      return found;
    },
    want: [mediaTypes.manifest, mediaTypes.index, mediaTypes.dockerManifest, mediaTypes.dockerIndex],
  },
  {
    end: "end-3",
    says: "a manifest that is not there is 404, by tag, by digest and in an unknown repository",
    async run(w) {
      await w.manifest("v1");
      const paths = ["manifests/v2", `manifests/${absent}`, `/v2/${w.repo}/none/manifests/v1`];
      return [
        await Promise.all(paths.map((path) => codeOf(w.ask("GET", path)))),
        await Promise.all(paths.map((path) => statusOf(w.ask("HEAD", path)))),
      ];
    },
    want: [Array(3).fill([404, "MANIFEST_UNKNOWN"]), [404, 404, 404]],
  },
  {
    end: "end-3",
    says: "a manifest of another repository is 404",
    async run(w) {
      const document = JSON.stringify({
        schemaVersion: 2,
        mediaType: mediaTypes.index,
        manifests: [],
        annotations: { w: w.repo },
      });
      const digest = digestOf(Buffer.from(document));
      await w.put(digest, document, mediaTypes.index);
      return [
        await statusOf(w.ask("HEAD", `manifests/${digest}`)),
        await statusOf(w.ask("HEAD", `/v2/${w.repo}/other/manifests/${digest}`)),
      ];
    },
    want: [200, 404],
  },
  {
    end: "end-3",
    says: "tags are up to 128 word characters, dots and dashes, names are lower case components",
    async run(w) {
      const document = await w.document();
      const tags = ["a", "_x", "A.b-c_9", "x".repeat(128), "x".repeat(129), ".x", "-x", "a+b", "a%2fb"];
      const names = ["a", "a/b/c", "a-b_c.d__e--f", "A", "a__", "a..b", "-a", "a/", "a___b"];
      return [
        await Promise.all(tags.map(async (tag) => (await w.put(tag, document)).status)),
        await Promise.all(names.map((name) => statusOf(w.ask("POST", `/v2/${w.repo}/${name}/blobs/uploads/`)))),
      ];
    },
    want: [
      [201, 201, 201, 201, 400, 400, 400, 400, 404],
      [202, 202, 202, 400, 400, 400, 400, 400, 400],
    ],
  },
  {
    end: "end-4a",
    says: "POST is 202 with a Location that holds a UUID",
    async run(w) {
      const answer = await w.ask("POST", "blobs/uploads/", { headers: { "content-length": "0" } });
      const location = String(answer.headers["location"]);
      const uuid = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/;
      return [answer.status, location.replace(w.repo, "REPO").replace(uuid, "UUID")];
    },
    want: [202, "/v2/REPO/blobs/uploads/UUID"],
  },
  ...(["sha256", "sha512"] as const).flatMap((algorithm): Row[] => [
    {
      end: "end-4b",
      says: `a single POST with ${algorithm} is 201 with the Location of the blob`,
      async run(w) {
        const digest = digestOf(w.bytes(), algorithm);
        const answer = await w.ask("POST", `blobs/uploads/?digest=${digest}`, { body: w.bytes() });
        const pulled = await w.ask("GET", String(answer.headers["location"]));
        return [answer.status, answer.headers["docker-content-digest"] === digest, pulled.body === String(w.bytes())];
      },
      want: [201, true, true],
    },
    {
      end: "end-4c",
      says: `POST with digest-algorithm=${algorithm}, PATCH and PUT are 202, 202 and 201`,
      async run(w) {
        const started = await w.ask("POST", `blobs/uploads/?digest-algorithm=${algorithm}`);
        const patched = await w.ask("PATCH", String(started.headers["location"]), { body: w.bytes() });
        const digest = digestOf(w.bytes(), algorithm);
        const put = await w.ask("PUT", `${patched.headers["location"]}?digest=${digest}`);
        return [started.status, patched.status, put.status, await statusOf(w.ask("HEAD", `blobs/${digest}`))];
      },
      want: [202, 202, 201, 200],
    },
    {
      end: "end-6",
      says: `POST then PUT with ${algorithm} is 201 with the Location of the blob`,
      async run(w) {
        const digest = digestOf(w.bytes(), algorithm);
        const headers = { "content-type": "application/octet-stream" };
        const put = await w.ask("PUT", `${await w.upload()}?digest=${digest}`, { body: w.bytes(), headers });
        const pulled = await w.ask("GET", String(put.headers["location"]));
        return [put.status, put.headers["docker-content-digest"] === digest, pulled.body === String(w.bytes())];
      },
      want: [201, true, true],
    },
    {
      end: "end-7a",
      says: `PUT of a manifest by ${algorithm} is 201, and it is pulled by that digest`,
      async run(w) {
        const document = JSON.stringify(await w.document());
        const digest = digestOf(Buffer.from(document), algorithm);
        const put = await w.put(digest, document);
        const pulled = await w.ask("GET", String(put.headers["location"]));
        return [put.status, put.headers["docker-content-digest"] === digest, pulled.body === document];
      },
      want: [201, true, true],
    },
  ]),
  {
    end: "end-4b",
    says: "a digest that is wrong, no digest or of an unknown algorithm is 400, and nothing is kept",
    async run(w) {
      const digests = [absent, "sha256:abc", "md5:d41d8cd98f00b204e9800998ecf8427e", ""];
      const posts = digests.map((it) => codeOf(w.ask("POST", `blobs/uploads/?digest=${it}`, { body: "other bytes" })));
      return [await Promise.all(posts), await statusOf(w.ask("HEAD", `blobs/${absent}`))];
    },
    want: [Array(4).fill([400, "DIGEST_INVALID"]), 404],
  },
  {
    end: "end-4c",
    says: "an unknown digest-algorithm is 400",
    must: false,
    run: (w) => codeOf(w.ask("POST", "blobs/uploads/?digest-algorithm=md5")),
    want: [400, "DIGEST_INVALID"],
  },
  {
    end: "end-5",
    says: "PATCH is 202 with Location and the Range of what came; chunks are in order; PUT ends it with 201",
    async run(w) {
      const started = await w.upload();
      const first = await w.ask("PATCH", started, { body: "0123456789", headers: { "content-range": "0-9" } });
      const second = await w.ask("PATCH", String(first.headers["location"]), {
        body: w.repo,
        headers: { "content-range": `10-${9 + w.repo.length}` },
      });
      const digest = digestOf(Buffer.from(`0123456789${w.repo}`));
      const put = await w.ask("PUT", `${second.headers["location"]}?digest=${digest}`);
      const same = [first, second].every((it) => it.headers["location"] === started);
      const pulled = await w.ask("GET", `blobs/${digest}`);
      const range = second.headers["range"] === `0-${9 + w.repo.length}`;
      return [first.status, first.headers["range"], second.status, range, same, put.status, pulled.status];
    },
    want: [202, "0-9", 202, true, true, 201, 200],
  },
  {
    end: "end-5",
    says: "a chunk without Content-Range is added to what came",
    must: false,
    async run(w) {
      const location = await w.upload("012");
      const answer = await w.ask("PATCH", location, { body: "34", headers: { "transfer-encoding": "chunked" } });
      return headersOf(answer, "range");
    },
    want: [202, "0-4"],
  },
  {
    end: "end-5",
    says: "a chunk out of order, or repeated, is 416 with Location and Range",
    async run(w) {
      const location = await w.upload("0123456789");
      const found: unknown[] = [];
      for (const range of ["0-9", "20-29", "9-18", "500-0", "x"]) {
        const answer = await w.ask("PATCH", location, { body: "0123456789", headers: { "content-range": range } });
        found.push([answer.status, answer.headers["location"] === location, answer.headers["range"]]);
      }
      return found;
    },
    want: Array(5).fill([416, true, "0-9"]),
  },
  {
    end: "end-5",
    says: "an unknown upload is 404",
    run: async (w) => {
      const path = "blobs/uploads/123e4567-e89b-42d3-a456-426614174000";
      return Promise.all(
        ["GET", "PATCH", "DELETE", "PUT"].map((it) =>
          codeOf(w.ask(it, it === "PUT" ? `${path}?digest=${absent}` : path)),
        ),
      );
    },
    want: Array(4).fill([404, "BLOB_UPLOAD_UNKNOWN"]),
  },
  {
    end: "end-6",
    says: "the final chunk may come with PUT; out of order it is 416 and the upload goes on",
    async run(w) {
      const location = await w.upload("0123456789");
      const digest = digestOf(Buffer.from(`0123456789${w.repo}`));
      const send = (start: number): Promise<Answer> =>
        w.ask("PUT", `${location}?digest=${digest}`, {
          body: w.repo,
          headers: { "content-range": `${start}-${start + w.repo.length - 1}` },
        });
      const wrong = await send(11);
      return [headersOf(wrong, "range"), wrong.headers["location"] === location, (await send(10)).status];
    },
    want: [[416, "0-9"], true, 201],
  },
  {
    end: "end-6",
    says: "a wrong digest, no digest and none at all are 400, and nothing is kept",
    async run(w) {
      const found: unknown[] = [];
      for (const query of [`?digest=${absent}`, "?digest=abc", ""]) {
        found.push(await codeOf(w.ask("PUT", `${await w.upload("some")}${query}`)));
      }
      return [found, await statusOf(w.ask("HEAD", `blobs/${absent}`))];
    },
    want: [Array(3).fill([400, "DIGEST_INVALID"]), 404],
  },
  {
    end: "end-7a",
    says: "PUT of a manifest by tag is 201 with a Location that is pulled byte for byte, and its digest",
    async run(w) {
      const document = JSON.stringify(await w.document(), null, 7);
      const put = await w.put("v1", document);
      const pulled = await w.ask("GET", String(put.headers["location"]));
      const digest = put.headers["docker-content-digest"] === digestOf(Buffer.from(document));
      return [put.status, digest, pulled.status, pulled.body === document];
    },
    want: [201, true, 200, true],
  },
  {
    end: "end-7a",
    says: "parameters of the Content-Type are ignored",
    must: false,
    async run(w) {
      const put = await w.put("v1", await w.document(), `${mediaTypes.manifest}; charset=utf-8`);
      return [put.status, (await w.ask("GET", "manifests/v1")).headers["content-type"]];
    },
    want: [201, mediaTypes.manifest],
  },
  {
    end: "end-7a",
    says: "a manifest under another digest than its own is 400, and is not kept",
    async run(w) {
      return [await codeOf(w.put(absent, await w.document())), await statusOf(w.ask("HEAD", `manifests/${absent}`))];
    },
    want: [[400, "DIGEST_INVALID"], 404],
  },
  {
    end: "end-7a",
    says: "what is no manifest is 400, one over 4 MiB is 413",
    must: false,
    async run(w) {
      const large = JSON.stringify(await w.document()).padEnd((4 << 20) + 1);
      return [await codeOf(w.put("v1", "{")), await codeOf(w.put("v1", "[]")), (await w.put("v1", large)).status];
    },
    want: [[400, "MANIFEST_INVALID"], [400, "MANIFEST_INVALID"], 413],
  },
  {
    end: "end-7a",
    says: "a manifest that refers to what is not there is refused with MANIFEST_BLOB_UNKNOWN",
    must: false,
    async run(w) {
      const image = await w.document({ layers: [descriptor(absent, 5, mediaTypes.layer)] });
      const index = { schemaVersion: 2, mediaType: mediaTypes.index, manifests: [descriptor(absent)] };
      return [await codeOf(w.put("v1", image)), await codeOf(w.put("v1", index, mediaTypes.index))];
    },
    want: Array(2).fill([404, "MANIFEST_BLOB_UNKNOWN"]),
    // Images in a store may be partial.
  },
  {
    end: "end-7a",
    says: "a manifest whose subject is not there is taken, and OCI-Subject names it",
    async run(w) {
      const image = await w.put("v1", await w.document({ subject: descriptor(absent) }));
      const index = { schemaVersion: 2, mediaType: mediaTypes.index, manifests: [], subject: descriptor(absent) };
      return [headersOf(image, "oci-subject"), headersOf(await w.put("v2", index, mediaTypes.index), "oci-subject")];
    },
    want: Array(2).fill([201, absent]),
  },
  {
    end: "end-7b",
    says: "tags that are given with a digest are made, and OCI-Tag names them",
    must: false,
    async run(w) {
      const document = JSON.stringify(await w.document());
      const tags = Array.from({ length: 10 }, (_, at) => `t${at}`);
      const query = tags.map((tag) => `tag=${tag}`).join("&");
      const answer = await w.put(`${digestOf(Buffer.from(document))}?${query}`, document);
      const listed = JSON.parse((await w.ask("GET", "tags/list")).body).tags;
      return [headersOf(answer, "oci-tag"), listed.join(), await statusOf(w.ask("HEAD", "manifests/t9"))];
    },
    want: [[201, "t0, t1, t2, t3, t4, t5, t6, t7, t8, t9"], "t0,t1,t2,t3,t4,t5,t6,t7,t8,t9", 200],
  },
  {
    end: "end-8a",
    says: "tags are listed in the order of their bytes with the name of the repository, HEAD has no body",
    async run(w) {
      for (const tag of ["b", "a", "v10", "v9", "B"]) await w.manifest(tag);
      const { status, body } = await w.ask("GET", "tags/list");
      const { name, tags } = JSON.parse(body);
      const head = await w.ask("HEAD", "tags/list");
      return [status, name === w.repo, tags, head.status, head.body];
    },
    want: [200, true, ["B", "a", "b", "v10", "v9"], 200, ""],
  },
  {
    end: "end-8a",
    says: "an unknown repository is 404, one without tags is 200 and an empty list",
    async run(w) {
      const unknown = await codeOf(w.ask("GET", "tags/list"));
      await w.manifest();
      const { status, body } = await w.ask("GET", "tags/list");
      return [unknown, status, JSON.parse(body).tags];
    },
    want: [[404, "NAME_UNKNOWN"], 200, []],
  },
  {
    end: "end-8b",
    says: "n and last choose a page, Link leads to the next; the last one and n=0 have none",
    async run(w) {
      for (const tag of ["a", "b", "c", "d", "e"]) await w.manifest(tag);
      const found: unknown[] = [];
      for (const query of [
        "?n=2",
        "?n=2&last=b",
        "?n=2&last=d",
        "?last=c",
        "?n=5",
        "?n=99999999",
        "?n=0",
        "?n=2&last=bb",
      ]) {
        const { status, body, headers } = await w.ask("GET", `tags/list${query}`);
        found.push([query, status, JSON.parse(body).tags.join(""), headers["link"] !== undefined]);
      }
      let path: string | undefined = "tags/list?n=2";
      for (const all: string[] = []; ; ) {
        const { body, headers }: Answer = await w.ask("GET", path);
        all.push(...JSON.parse(body).tags);
        path = /^<([^>]+)>; rel="next"$/.exec(String(headers["link"]))?.[1];
        if (path === undefined) return [found, all.join("")];
      }
    },
    want: [
      [
        ["?n=2", 200, "ab", true],
        ["?n=2&last=b", 200, "cd", true],
        ["?n=2&last=d", 200, "e", false],
        ["?last=c", 200, "de", false],
        ["?n=5", 200, "abcde", false],
        ["?n=99999999", 200, "abcde", false],
        ["?n=0", 200, "", false],
        ["?n=2&last=bb", 200, "cd", true],
      ],
      "abcde",
    ],
  },
  {
    end: "end-9",
    says: "DELETE of a tag is 202; then the tag is 404, the manifest and its other tags are not",
    async run(w) {
      const digest = await w.manifest("v1");
      await w.manifest("v2");
      const deleted = await statusOf(w.ask("DELETE", "manifests/v1"));
      const left = ["v1", "v2", digest].map((it) => statusOf(w.ask("GET", `manifests/${it}`)));
      return [deleted, await Promise.all(left), await codeOf(w.ask("DELETE", "manifests/v1"))];
    },
    want: [202, [404, 200, 200], [404, "MANIFEST_UNKNOWN"]],
  },
  {
    end: "end-9",
    says: "DELETE of a manifest is 202; then it is 404 by its digest and by every tag",
    async run(w) {
      const digest = await w.manifest("v1");
      await w.manifest("v2");
      const deleted = await statusOf(w.ask("DELETE", `manifests/${digest}`));
      const left = ["v1", "v2", digest].map((it) => statusOf(w.ask("GET", `manifests/${it}`)));
      return [deleted, await Promise.all(left), await statusOf(w.ask("DELETE", `manifests/${digest}`))];
    },
    want: [202, [404, 404, 404], 404],
  },
  {
    end: "end-9",
    says: "DELETE of a manifest in an unknown repository is 404",
    run: (w) =>
      Promise.all([statusOf(w.ask("DELETE", "manifests/v1")), statusOf(w.ask("DELETE", `manifests/${absent}`))]),
    want: [404, 404],
  },
  {
    end: "end-9",
    says: "DELETE that is not allowed is 405 for tags, manifests and blobs, and takes nothing",
    async run(w) {
      const digest = await w.manifest("v1");
      const paths = ["manifests/v1", `manifests/${digest}`, `blobs/${digestOf(emptyJson)}`];
      const refused = await Promise.all(paths.map((path) => codeOf(w.askLocked("DELETE", path))));
      return [refused, await Promise.all(paths.map((path) => statusOf(w.ask("HEAD", path))))];
    },
    want: [Array(3).fill([405, "UNSUPPORTED"]), [200, 200, 200]],
  },
  {
    end: "end-10",
    says: "DELETE of a blob is 202, then it is 404; one that is not there is 404",
    async run(w) {
      const path = `blobs/${await w.blob()}`;
      const deleted = await statusOf(w.ask("DELETE", path));
      return [deleted, await statusOf(w.ask("HEAD", path)), await codeOf(w.ask("DELETE", `blobs/${absent}`))];
    },
    want: [202, 404, [404, "BLOB_UNKNOWN"]],
  },
  {
    end: "end-10",
    says: "DELETE of a blob leaves it to other repositories",
    async run(w) {
      const digest = await w.blob();
      await w.blob(w.bytes(), "sha256", `${w.repo}/other`);
      await w.ask("DELETE", `blobs/${digest}`);
      return statusOf(w.ask("HEAD", `/v2/${w.repo}/other/blobs/${digest}`));
    },
    want: 200,
  },
  {
    end: "end-11",
    says: "a mount is 201 with the Location of the blob, which can be pulled there",
    async run(w) {
      const digest = await w.blob(w.bytes(), "sha256", `${w.repo}/other`);
      const answer = await w.ask("POST", `blobs/uploads/?mount=${digest}&from=${w.repo}/other`);
      const location = answer.headers["location"] === `/v2/${w.repo}/blobs/${digest}`;
      const pulled = await w.ask("GET", String(answer.headers["location"]));
      return [answer.status, location, pulled.body === String(w.bytes())];
    },
    want: [201, true, true],
  },
  {
    end: "end-11",
    says: "a mount that cannot be made is 202 with an upload that takes the blob",
    must: false,
    async run(w) {
      const digest = digestOf(w.bytes());
      const found: unknown[] = [];
      for (const from of [`&from=${w.repo}/none`, ""]) {
        const answer = await w.ask("POST", `blobs/uploads/?mount=${digest}${from}`);
        const put = await w.ask("PUT", `${answer.headers["location"]}?digest=${digest}`, { body: w.bytes() });
        found.push([answer.status, put.status]);
      }
      return found;
    },
    want: Array(2).fill([202, 201]),
  },
  {
    end: "end-12a",
    says: "referrers are an index of descriptors with artifactType, of the config where it has none, and annotations",
    async run(w) {
      const subject = await w.manifest("v1");
      const typed = await w.manifest("r1", {
        subject: descriptor(subject),
        artifactType: "application/vnd.a",
        annotations: { a: "1" },
      });
      const untyped = await w.manifest(undefined, { subject: descriptor(subject), annotations: { b: "2" } });
      const index = { schemaVersion: 2, mediaType: mediaTypes.index, manifests: [], subject: descriptor(subject) };
      const indexed = (await w.put("r3", index, mediaTypes.index)).headers["docker-content-digest"];
      const { status, headers, body } = await w.ask("GET", `referrers/${subject}`);
      const { schemaVersion, mediaType, manifests } = JSON.parse(body);
      const of = (digest: unknown): unknown => {
        const found = manifests?.find((it: { digest: string }) => it.digest === digest);
        const { digest: _digest, size, ...rest } = found ?? {};
        return { ...rest, sized: size > 0 };
      };
      return [
        status,
        headers["content-type"],
        schemaVersion,
        mediaType,
        manifests?.length,
        of(typed),
        of(untyped),
        of(indexed),
      ];
    },
    want: [
      200,
      mediaTypes.index,
      2,
      mediaTypes.index,
      3,
      { mediaType: mediaTypes.manifest, artifactType: "application/vnd.a", annotations: { a: "1" }, sized: true },
      { mediaType: mediaTypes.manifest, artifactType: mediaTypes.emptyJson, annotations: { b: "2" }, sized: true },
      { mediaType: mediaTypes.index, sized: true },
    ],
  },
  {
    end: "end-12a",
    says: "without referrers, and in an unknown repository, the list is empty; what is no digest is 400",
    async run(w) {
      const lists: unknown[] = [];
      for (const path of [`referrers/${absent}`, `/v2/${w.repo}/none/referrers/${absent}`]) {
        await w.manifest("v1");
        const { status, body } = await w.ask("GET", path);
        lists.push([status, JSON.parse(body).manifests]);
      }
      return [lists, await codeOf(w.ask("GET", "referrers/sha256:abc"))];
    },
    want: [Array(2).fill([200, []]), [400, "DIGEST_INVALID"]],
  },
  {
    end: "end-12a",
    says: "referrers of a manifest that is deleted are gone",
    async run(w) {
      const referrer = await w.manifest("r1", { subject: descriptor(absent) });
      await w.ask("DELETE", `manifests/${referrer}`);
      const { status, body } = await w.ask("GET", `referrers/${absent}`);
      return [status, JSON.parse(body).manifests];
    },
    want: [200, []],
  },
  {
    end: "end-12a",
    says: "a referrer that an index lists as well is still one",
    async run(w) {
      const subject = await w.manifest("v1");
      const referrer = await w.manifest(undefined, { subject: descriptor(subject), artifactType: "application/vnd.a" });
      const { headers } = await w.ask("HEAD", `manifests/${referrer}`);
      const manifests = [descriptor(referrer, Number(headers["content-length"]))];
      await w.put("all", { schemaVersion: 2, mediaType: mediaTypes.index, manifests }, mediaTypes.index);
      const { status, body } = await w.ask("GET", `referrers/${subject}`);
      return [status, (JSON.parse(body).manifests ?? []).map((it: { digest: string }) => it.digest === referrer)];
    },
    want: [200, [true]],
  },
  {
    end: "end-12b",
    says: "artifactType filters, and OCI-Filters-Applied says so",
    async run(w) {
      const subject = await w.manifest("v1");
      for (const type of ["a", "b"]) {
        await w.manifest(type, { subject: descriptor(subject), artifactType: `application/vnd.${type}` });
      }
      const { status, headers, body } = await w.ask("GET", `referrers/${subject}?artifactType=application/vnd.b`);
      const types = JSON.parse(body).manifests?.map((it: { artifactType: string }) => it.artifactType);
      const all = await w.ask("GET", `referrers/${subject}`);
      return [status, headers["oci-filters-applied"], types, all.headers["oci-filters-applied"]];
    },
    want: [200, "artifactType", ["application/vnd.b"], undefined],
  },
  {
    end: "end-13",
    says: "GET of an upload is 204 with Location and Range",
    async run(w) {
      const location = await w.upload("0123456789");
      const answer = await w.ask("GET", location);
      return [headersOf(answer, "range"), answer.headers["location"] === location];
    },
    want: [[204, "0-9"], true],
  },
  {
    end: "end-14",
    says: "DELETE of an upload is 204, then it is 404",
    must: false,
    async run(w) {
      const location = await w.upload("some");
      const deleted = await statusOf(w.ask("DELETE", location));
      return [deleted, await statusOf(w.ask("GET", location))];
    },
    want: [204, 404],
  },
  {
    end: "errors",
    says: "what nothing answers to is 404, a method that nothing answers to is 405 and Allow names those that do",
    must: false,
    async run(w) {
      const put = await w.ask("PUT", "tags/list");
      return [await statusOf(w.ask("GET", "/v2/x")), await statusOf(w.ask("GET", "/v3/")), headersOf(put, "allow")];
    },
    want: [404, 404, [405, "GET, HEAD"]],
  },
];

describe.each(kinds)("the distribution specification over HTTP, served from a %s", (kind) => {
  let directory = "";
  let services: Service[] = [];
  let close = async (): Promise<void> => {};

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "gantry-test-"));
    const location = { memory: "memory:", layout: `oci:${join(directory, "layout")}`, store: "store:" }[kind];
    const served = await openServed(location, { store: join(directory, "store") });
    const { registry } = served;
    services = [await serve(registry, { allowDelete: true }), await serve(registry)];
    close = () => served.close();
  });

  afterAll(async () => {
    for (const service of services) await service.close();
    await close();
    await rm(directory, { recursive: true, force: true });
  });

  for (const [at, row] of rows.entries()) {
    const name = `${row.end}: ${row.says}`;
    test(name, async () => {
      const answer = await row.run(new World(`row${at}`, services[0]!, services[1]!));
      expect(answer).toEqual(row.want);
    });
  }
});

test("every endpoint of the specification has a row", () => {
  const ends = [
    "1",
    "2",
    "3",
    "4a",
    "4b",
    "4c",
    "5",
    "6",
    "7a",
    "7b",
    "8a",
    "8b",
    "9",
    "10",
    "11",
    "12a",
    "12b",
    "13",
    "14",
  ];
  expect(ends.filter((end) => !rows.some((row) => row.end === `end-${end}`))).toEqual([]);
  const names = rows.map(({ end, says }) => `${end}: ${says}`);
  expect(new Set(names).size).toBe(names.length);
});
