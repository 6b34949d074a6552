import { describe, expect, test } from "vitest";
import { GantryError } from "../base/error.ts";
import { bytesSource } from "../content/index.ts";
import { parseRepoName } from "../reference/index.ts";
import { LayoutRegistry, RemoteRegistry } from "../registry/index.ts";
import {
  algorithmOf,
  type Digest,
  decodeDocument,
  decodeImage,
  decodeLayoutIndex,
  embeddedData,
  encodeIndex,
  type Manifest,
  mediaTypes,
  parseDigest,
  summarizeManifest,
  validateIndex,
} from "./index.ts";

const code = (work: () => unknown): string => {
  try {
    work();
  } catch (error) {
    return error instanceof GantryError ? error.code : `not ours: ${error}`;
  }
  return "accepted";
};
const json = (value: unknown): Buffer => Buffer.from(typeof value === "string" ? value : JSON.stringify(value));
const hex = "a".repeat(64);
const descriptor = { mediaType: mediaTypes.layer, digest: `sha256:${hex}`, size: 3 };
const manifest = { schemaVersion: 2, mediaType: mediaTypes.manifest, config: descriptor, layers: [descriptor] };
const index = { schemaVersion: 2, mediaType: mediaTypes.index, manifests: [descriptor] };

describe("hostile documents", () => {
  test("M1 a document that can be read as two kinds is refused", () => {
    const ambiguous: [unknown, string?][] = [
      [{ ...manifest, manifests: [] }],
      [{ ...index, layers: [] }],
      [{ ...index, config: descriptor }],
      [{ schemaVersion: 2, manifests: [], layers: [] }],
      [{ schemaVersion: 2, manifests: [], Layers: [] }],
      // Readers that fold case take the long s for an s, and the Kelvin sign for a k.
      [{ schemaVersion: 2, manifests: [], layerſ: [] }],
      [{ ...manifest, layers: [{ ...descriptor, digeſt: `sha256:${"b".repeat(64)}` }] }],
      [manifest, mediaTypes.index],
      [index, mediaTypes.manifest],
      [{ ...manifest, mediaType: mediaTypes.dockerManifest }, mediaTypes.manifest],
      [{ ...index, mediaType: mediaTypes.manifest }],
      [
        `{"schemaVersion":2,"config":${JSON.stringify(descriptor)},"layers":[],"layers":[${JSON.stringify(descriptor)}]}`,
      ],
      [`{"schemaVersion":2,"manifests":[],"\\u006danifests":[]}`],
      [{ schemaVersion: 2, config: descriptor, layers: [], Config: descriptor }],
      [{ ...manifest, layers: [{ ...descriptor, Digest: `sha256:${"b".repeat(64)}` }] }],
    ];
    for (const [document, type] of ambiguous) {
      expect([JSON.stringify(document), code(() => decodeDocument(json(document), type))]).toEqual([
        JSON.stringify(document),
        "AMBIGUOUS_DOCUMENT",
      ]);
    }
    expect(decodeDocument(json({ ...manifest, unknown: { Layers: 1 } }), mediaTypes.manifest)).toMatchObject({
      manifest: { unknown: { Layers: 1 } },
    });
  });

  test("M2 a digest is parsed before it is a path or an address", async () => {
    for (const text of [
      "sha256:../../x",
      "sha256:",
      `sha256:${hex}/..`,
      `sha256:${hex.slice(1)}`,
      `sha256:${hex.toUpperCase()}`,
      `SHA256:${hex}`,
      `sha256:${hex}\n`,
      "../x:y",
      `sha512:${hex}`,
      "",
    ]) {
      expect([text, code(() => parseDigest(text))]).toEqual([text, "INVALID_DIGEST"]);
    }
    for (const text of [`md5:${hex}`, `blake3:${hex}`, `constructor:${hex}`])
      expect(code(() => parseDigest(text))).toBe("UNSUPPORTED_ALGORITHM");
    const bad = { ...manifest, layers: [{ ...descriptor, digest: "sha256:../../../etc/passwd" }] };
    expect(code(() => decodeDocument(json(bad), mediaTypes.manifest))).toBe("INVALID_DIGEST");
    const layout = new LayoutRegistry("/nonexistent");
    // A document may list an unknown algorithm, but no path and no request is made from it.
    const listed = { ...descriptor, digest: "blake3:../../../etc/passwd" };
    expect(code(() => decodeDocument(json({ ...manifest, layers: [listed] }), undefined))).toBe("INVALID_DIGEST");
    const unknown = `blake3:${hex}` as Digest;
    expect(code(() => layout.blobs.path(unknown))).toBe("UNSUPPORTED_ALGORITHM");
    const remote = new RemoteRegistry("registry.invalid");
    const repo = parseRepoName("app");
    const source = bytesSource({ digest: unknown }, Buffer.alloc(3));
    for (const ask of [
      () => remote.getBlob(repo, unknown),
      () => remote.getBlob(repo, { digest: unknown, size: 3 }),
      () => remote.getBlobRange(repo, { digest: unknown }, { start: 0, end: 1 }),
      () => remote.getManifest(repo, unknown),
      () => remote.resolveManifest(repo, unknown),
      () => remote.resolveBlob(repo, unknown),
      () => remote.deleteBlob(repo, unknown),
      () => remote.deleteManifest(repo, unknown),
      () => remote.mountBlob(repo, parseRepoName("other"), unknown),
      () => remote.pushBlob(repo, { ...descriptor, digest: unknown }, source),
      () => remote.referrers(repo, unknown)[Symbol.asyncIterator]().next(),
    ]) {
      await expect(ask()).rejects.toMatchObject({ code: "UNSUPPORTED_ALGORITHM" });
    }
    await remote.close();
    expect(layout.blobs.path(parseDigest(`sha256:${hex}`))).toBe(`/nonexistent/blobs/sha256/${hex}`);
  });

  test("M13 malformed documents are errors that name the place, never a crash", () => {
    const broken: [unknown, RegExp][] = [
      ["", /not valid JSON/],
      ["null", /must be a JSON object/],
      ["[]", /must be a JSON object/],
      [{ ...manifest, layers: {} }, /layers must be a list/],
      [{ ...manifest, layers: [null] }, /layers\[0\] must be an object/],
      [{ ...manifest, config: undefined }, /config is missing/],
      [{ ...manifest, layers: [descriptor, { ...descriptor, size: "3" }] }, /layers\[1\]\.size must be a whole number/],
      [{ ...manifest, layers: [{ ...descriptor, size: -1 }] }, /layers\[0\]\.size/],
      [{ ...manifest, layers: [{ ...descriptor, size: 2 ** 53 }] }, /layers\[0\]\.size/],
      [{ ...manifest, annotations: { a: 1 } }, /annotations\."a" must be a string/],
      [
        { ...index, manifests: [{ ...descriptor, platform: { os: 1 } }] },
        /manifests\[0\]\.platform\.os must be a string/,
      ],
      [Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x7d]), /not valid JSON/],
    ];
    for (const [document, message] of broken) {
      const bytes = Buffer.isBuffer(document) ? document : json(document);
      expect(() => decodeDocument(bytes, undefined)).toThrow(message);
      expect(code(() => decodeDocument(bytes, mediaTypes.manifest))).toMatch(/^(INVALID|AMBIGUOUS|UNSUPPORTED)_/);
    }
    for (const config of [
      {},
      { rootfs: {} },
      { rootfs: { diff_ids: [] } },
      { rootfs: { type: "layers", diff_ids: ["x"] } },
      { rootfs: { type: "other", diff_ids: [] } },
      { rootfs: { type: "layers", diff_ids: [] }, config: { Env: [1] } },
    ]) {
      expect(code(() => decodeImage(json(config)))).toMatch(/^INVALID_/);
    }
    expect(
      decodeImage(json({ rootfs: { type: "layers", diff_ids: [] }, config: { Volumes: null, Labels: null } })).config,
    ).toEqual({});
    for (const text of [
      '{"layers":[{"digest":{"toString":1}}],"subject":{"digest":"../../x"},"annotations":"s"}',
      '{"manifests":[{"digest":3,"urls":"x"}],"annotations":{"a":1,"b":"c"}}',
    ]) {
      const { subject, annotations } = summarizeManifest(Buffer.from(text));
      expect([subject, annotations ?? { b: "c" }]).toEqual([undefined, { b: "c" }]);
    }
    // Every truncation and every changed byte of a good document gives a GantryError or a document.
    const good = json(manifest);
    for (let at = 0; at < good.length; at += 1) {
      const changed = Buffer.from(good);
      changed[at] = changed[at]! ^ 0x11;
      for (const bytes of [good.subarray(0, at), changed])
        expect(code(() => decodeDocument(bytes, undefined))).not.toContain("not ours");
    }
  });

  test("M15 schema 1, oversized, crowded and deep documents are refused, and unknown algorithms when content is read", () => {
    expect(code(() => decodeDocument(json({ schemaVersion: 1, fsLayers: [] }), undefined))).toBe(
      "UNSUPPORTED_MEDIA_TYPE",
    );
    expect(code(() => decodeDocument(json(manifest), mediaTypes.dockerSchema1Signed))).not.toBe("accepted");
    const blake = { ...manifest, layers: [{ ...descriptor, digest: `blake3:${hex}` }] };
    const passed = decodeDocument(json(blake), undefined) as { manifest: Manifest };
    expect(code(() => algorithmOf(passed.manifest.layers[0]!.digest))).toBe("UNSUPPORTED_ALGORITHM");
    const empty = { ...passed.manifest.layers[0]!, size: 2, data: "e30=" };
    expect(code(() => embeddedData(empty))).toBe("UNSUPPORTED_ALGORITHM");
    const crowded = { ...manifest, layers: Array.from({ length: 60_000 }, () => descriptor) };
    expect(code(() => decodeDocument(json(crowded), undefined))).toBe("LIMIT_EXCEEDED");
    const annotated = {
      ...manifest,
      annotations: Object.fromEntries(Array.from({ length: 400_000 }, (_, at) => [`k${at}`, "v"])),
    };
    expect(code(() => decodeDocument(json(annotated), undefined))).toBe("LIMIT_EXCEEDED");
    // Documents that are costly for naive code: each of them once took minutes or all memory.
    const key = "k".repeat(1 << 20);
    const costly = [
      `{${"\n".repeat(1_000_000)}"schemaVersion":2,"manifests":[]}`,
      `{"${key}":{${'"a":1,'.repeat(200_000)}"a":1}}`,
      `{"schemaVersion":2,"manifests":[],${Array.from({ length: 150_000 }, (_, at) => `"u${at}":1`).join(",")}}`,
    ];
    for (const text of costly) {
      expect(code(() => encodeIndex(decodeLayoutIndex(Buffer.from(text))))).toMatch(/accepted|AMBIGUOUS_DOCUMENT/);
      expect(validateIndex(Buffer.from(text)).length).toBeLessThan(150);
    }
    expect(() => decodeLayoutIndex(Buffer.from(costly[1]!))).toThrow(/^.{0,400}$/);
    const deep = `{"schemaVersion":2,"a":${"[".repeat(100_000)}${"]".repeat(100_000)}}`;
    expect(code(() => decodeDocument(json(deep), undefined))).toBe("INVALID_DOCUMENT");
  });
});
