import { describe, expect, test } from "vitest";
import {
  algorithmOf,
  annotationKeys,
  type Digest,
  decodeDescriptor,
  decodeDocument,
  decodeImage,
  decodeImageLayout,
  decodeLayoutIndex,
  embeddedData,
  emptyJsonDescriptor,
  encodeImage,
  encodeIndex,
  encodeJson,
  encodeManifest,
  formatTime,
  imageLayout,
  isCheckpointType,
  isConfigType,
  isForeignLayerType,
  isIndexType,
  isLayerType,
  isManifestType,
  isSchema1Type,
  type Manifest,
  mediaTypes,
  parseDigest,
  validateDescriptor,
  validateImage,
  validateImageLayout,
  validateIndex,
  validateManifest,
} from "./index.ts";

const digest = `sha256:${"a".repeat(64)}` as Digest;
const layer = { mediaType: mediaTypes.layerGzip, digest, size: 3 };
const manifest: Manifest = { schemaVersion: 2, config: { ...layer, mediaType: mediaTypes.config }, layers: [layer] };
const rootfs = { type: "layers" as const, diff_ids: [digest] };

const roundTrip = {
  manifest: (text: string) => {
    const document = decodeDocument(Buffer.from(text), undefined);
    return (document.kind === "manifest" ? encodeManifest(document.manifest) : encodeIndex(document.index)).toString();
  },
  image: (text: string) => encodeImage(decodeImage(Buffer.from(text))).toString(),
};

describe("a document that Go wrote is encoded to the same bytes", () => {
  const descriptor = JSON.stringify(layer);
  const images: [string, string][] = [
    [
      "an empty config stays present",
      `{"architecture":"amd64","os":"linux","config":{},"rootfs":${JSON.stringify(rootfs)}}`,
    ],
    ["an absent config stays absent", `{"architecture":"amd64","os":"linux","rootfs":${JSON.stringify(rootfs)}}`],
    [
      "Docker's nulls",
      `{"architecture":"amd64","config":{"Hostname":"","Env":null,"Cmd":null,"Volumes":null,"Labels":null,"OnBuild":null},"os":"linux","rootfs":${JSON.stringify(rootfs)}}`,
    ],
    [
      "fields that the specification does not know, where they stood",
      `{"architecture":"amd64","container":"x","docker_version":"1","os":"linux","config":{"Healthcheck":{"Test":["a"],"Interval":3},"Tty":false},"rootfs":${JSON.stringify(rootfs)},"variant":"v3"}`,
    ],
    [
      "integer-like and __proto__ keys, in the order of their bytes",
      `{"architecture":"amd64","os":"linux","config":{"Labels":{"10":"a","9":"b","__proto__":"c","constructor":"d","é":"e","\uff5e":"f","\u{1f600}":"g"}},"rootfs":${JSON.stringify(rootfs)}}`,
    ],
    ["an empty system", `{"architecture":"","os":"","rootfs":${JSON.stringify(rootfs)}}`],
    ["a missing system", `{"rootfs":${JSON.stringify(rootfs)}}`],
    [
      "escapes",
      `{"author":"\\u003ca\\u0026b\\u003e\\u2028\\u2029\\t\\u0001\\"\\\\","architecture":"a","os":"b","rootfs":${JSON.stringify(rootfs)}}`,
    ],
    [
      "control characters by number, as before Go 1.22",
      `{"author":"\\u0008\\u000c","architecture":"a","os":"b","rootfs":${JSON.stringify(rootfs)}}`,
    ],
    [
      "characters that Go was told not to escape",
      `{"author":"<a&b>","architecture":"a","os":"b","rootfs":${JSON.stringify(rootfs)}}`,
    ],
    [
      "times to the nanosecond",
      `{"created":"2024-02-29T12:00:00.123456789Z","architecture":"a","os":"b","rootfs":${JSON.stringify(rootfs)}}`,
    ],
    [
      "an invalid byte that Go replaced",
      `{"author":"a\\ufffdb","architecture":"a","os":"b","rootfs":${JSON.stringify(rootfs)}}`,
    ],
    [
      "an escaped backslash before what looks like an escape",
      `{"author":"\\\\u0008\\b","architecture":"a","os":"b","rootfs":${JSON.stringify(rootfs)}}`,
    ],
    ["no layers, as nil", `{"architecture":"a","os":"b","rootfs":{"type":"layers","diff_ids":null}}`],
    ["no layers, left out", `{"architecture":"a","os":"b","rootfs":{"type":"layers"}}`],
    [
      "labels in the order of another tool",
      `{"architecture":"a","os":"b","config":{"Labels":{"b":"1","a":"2"}},"rootfs":${JSON.stringify(rootfs)}}`,
    ],
    ["Python's spaces", `{"architecture": "a", "os": "b", "rootfs": {"type": "layers", "diff_ids": ["${digest}"]}}`],
    ["a newline at the end", `{"architecture":"a","os":"b","rootfs":${JSON.stringify(rootfs)}}\n`],
    ["indentation", `${JSON.stringify({ architecture: "a", os: "b", config: {}, rootfs, history: [] }, null, 3)}`],
  ];
  test.each(images)("%s", (_name, text) => expect(roundTrip.image(text)).toBe(text));

  const manifests: [string, string][] = [
    ["a nil list is null", `{"schemaVersion":2,"config":${descriptor},"layers":null}`],
    ["an empty list is empty", `{"schemaVersion":2,"config":${descriptor},"layers":[]}`],
    ["a list of manifests that is null", `{"schemaVersion":2,"manifests":null}`],
    [
      "Docker's order of a descriptor",
      `{"schemaVersion":2,"mediaType":"${mediaTypes.dockerManifest}","config":{"mediaType":"x","size":3,"digest":"${digest}"},"layers":[]}`,
    ],
    [
      "annotations with keys that JavaScript would reorder",
      `{"schemaVersion":2,"manifests":[{"mediaType":"x","digest":"${digest}","size":3,"annotations":{"10":"","9":"\\u003c"}}]}`,
    ],
  ];
  test.each(manifests)("%s", (_name, text) => expect(roundTrip.manifest(text)).toBe(text));

  test("an index.json, however it was indented", () => {
    for (const indent of [0, 2, 4]) {
      const text = JSON.stringify({ schemaVersion: 2, manifests: [layer] }, null, indent);
      expect(encodeIndex(decodeLayoutIndex(Buffer.from(text))).toString()).toBe(text);
    }
  });
});

describe("encoding of changed and new documents", () => {
  test("a decoded document keeps its order; a new field is written where Go would write it", () => {
    const text = `{"schemaVersion":2,"config":${JSON.stringify(manifest.config)},"layers":[],"x":1}`;
    const document = decodeDocument(Buffer.from(text), undefined);
    const decoded = (document as { manifest: Manifest & { mediaType?: string; annotations?: object } }).manifest;
    decoded.annotations = { b: "<", a: "1" };
    decoded.mediaType = mediaTypes.manifest;
    expect(encodeManifest(decoded).toString()).toBe(
      `{"schemaVersion":2,"mediaType":"${mediaTypes.manifest}","config":${JSON.stringify(manifest.config)},"layers":[],"x":1,"annotations":{"a":"1","b":"\\u003c"}}`,
    );
    delete decoded.annotations;
    expect(encodeManifest(decoded).toString()).not.toContain("annotations");
  });

  test("a new document is written in the order of the specification, without the fields that Go leaves out", () => {
    const { layers, config } = manifest;
    const made = { annotations: {}, layers, config, mediaType: undefined, schemaVersion: 2, extra: { z: 1, a: 2 } };
    expect(encodeManifest(made as unknown as Manifest).toString()).toBe(
      `{"schemaVersion":2,"config":${JSON.stringify(config)},"layers":${JSON.stringify(layers)},"extra":{"z":1,"a":2}}`,
    );
  });

  test("a value of unknown type has its keys sorted by bytes, and half surrogate pairs replaced, as in Go", () => {
    expect(encodeJson({ b: 1, a: ["<", null, true, 1.5] }).toString()).toBe('{"a":["\\u003c",null,true,1.5],"b":1}');
    expect(encodeJson({ "9": 1, "10": 2, a: "\ud800\\ud800" }).toString()).toBe(
      '{"10":2,"9":1,"a":"\\ufffd\\\\ud800"}',
    );
  });

  test.each([
    ["2024-01-01T00:00:00.000Z", "2024-01-01T00:00:00Z"],
    ["2024-01-01T00:00:00.500Z", "2024-01-01T00:00:00.5Z"],
    ["2024-01-01T00:00:10.120Z", "2024-01-01T00:00:10.12Z"],
  ])("the time %s is %s", (time, text) => expect(formatTime(new Date(time))).toBe(text));
});

describe("validation", () => {
  test("lists every violation with its place and the sentence that it breaks", () => {
    const wrong = {
      schemaVersion: 3,
      mediaType: "x",
      config: { mediaType: "no", digest: "sha256:x", size: -1, urls: ["not a uri"], Size: 3 },
      layers: [],
      annotations: { a: 1 },
    };
    const found = validateManifest(wrong);
    expect(found.map(({ path }) => path)).toEqual([
      "schemaVersion",
      "mediaType",
      "config.Size",
      "config.mediaType",
      "config.digest",
      "config.size",
      "config.urls[0]",
      "layers",
      'annotations."a"',
    ]);
    expect(found.find(({ path }) => path === "config.size")!.rule).toContain("The size MUST NOT be negative.");
    expect(found.find(({ path }) => path === "config.urls[0]")!.rule).toContain("RFC 3986");
    expect(found.every(({ message }) => message.length > 0)).toBe(true);
  });

  test.each<[string, readonly { path: string }[], string[]]>([
    ["a good manifest", validateManifest(manifest), []],
    ["Docker's", validateManifest({ ...manifest, mediaType: mediaTypes.dockerManifest }), []],
    ["an unregistered algorithm", validateDescriptor({ ...layer, digest: "multihash+base58:QmRZxt2b1" }), []],
    ["an empty config without an artifact type", validateManifest({ ...manifest, config: emptyJsonDescriptor }), [""]],
    ["the empty descriptor", validateDescriptor(emptyJsonDescriptor), []],
    ["an index without manifests", validateIndex({ schemaVersion: 2 }), ["manifests"]],
    ["an index with an empty list of manifests", validateIndex({ schemaVersion: 2, manifests: [] }), []],
    ["null instead of a list", validateIndex({ schemaVersion: 2, manifests: null }), ["manifests"]],
    [
      "a platform without a system",
      validateIndex({ schemaVersion: 2, manifests: [{ ...layer, platform: { architecture: "x" } }] }),
      ["manifests[0].platform.os"],
    ],
    ["a config without a system", validateImage({ rootfs }), ["architecture", "os"]],
    [
      "times, environment, ports",
      validateImage({
        created: "2024-02-30T00:00:00Z",
        architecture: "a",
        os: "b",
        config: { Env: ["A=1", "=x", "B"], ExposedPorts: { "80/tcp": {}, "x/y": {} }, Volumes: null },
        rootfs,
        history: [{ created: "yesterday" }],
      }),
      ["created", "config.ExposedPorts", "config.Env[1]", "config.Env[2]", "history[0].created"],
    ],
    [
      "another kind of root",
      validateImage({ architecture: "a", os: "b", rootfs: { ...rootfs, type: "x" } }),
      ["rootfs.type"],
    ],
    ["a layout of another version", validateImageLayout({ imageLayoutVersion: "2" }), ["imageLayoutVersion"]],
    ["a layout", validateImageLayout(Buffer.from('{"imageLayoutVersion":"1.0.0"}')), []],
    [
      "numbers that Go does not read",
      validateDescriptor(Buffer.from(`{"mediaType":"a/b","digest":"${digest}","size":2.0}`)),
      ["size"],
    ],
    [
      "numbers that do not fit",
      validateManifest(Buffer.from(`{"x":9007199254740993,${JSON.stringify(manifest).slice(1)}`)),
      ["x"],
    ],
    ["a list instead of an object", validateManifest([]), [""]],
    ["bytes that are not JSON", validateManifest(Buffer.from("{")), [""]],
    [
      "keys that appear twice, all of them",
      validateManifest(
        Buffer.from(JSON.stringify(manifest).replace('"size"', '"size":3,"size"').replace("{", '{"schemaVersion":2,')),
      ),
      ["schemaVersion", "config.size"],
    ],
  ])("%s", (_name, found, paths) => expect(found.map(({ path }) => path)).toEqual(paths));
});

describe("bytes that are not a document", () => {
  const decoders = { decodeDocument, decodeImage, decodeImageLayout, decodeLayoutIndex };
  test.each(Object.entries(decoders))("%s takes bytes, and says so if it gets a text or nothing", (_name, decode) => {
    for (const [given, shown] of [
      ["{}", "a value of type string"],
      [undefined, "a value of type undefined"],
      [null, "null"],
      [{ schemaVersion: 2 }, "a value of type object"],
      [[123, 125], "a value of type object"],
    ]) {
      const work = () => (decode as (bytes: unknown) => unknown)(given);
      expect(work).toThrow(expect.objectContaining({ code: "USAGE", message: expect.stringContaining(`${shown}; `) }));
    }
    expect(() => decode(Buffer.from("{}") as never, undefined as never)).toThrow(/missing|has no mediaType/);
  });

  test("the error for an empty object names the missing fields", () => {
    const empty = new TextEncoder().encode("{}");
    expect(() => decodeDocument(empty, undefined)).toThrow(
      /has no mediaType, .* "manifests", .* "config" nor "layers"/,
    );
    expect(() => decodeDocument(empty, mediaTypes.manifest)).toThrow("schemaVersion is missing");
    expect(() => decodeLayoutIndex(empty)).toThrow("schemaVersion is missing");
    expect(() => decodeImage(empty)).toThrow("rootfs is missing");
    expect(() => decodeImageLayout(empty)).toThrow("imageLayoutVersion is missing");
  });
});

describe("names", () => {
  test("media types are sorted by kind", () => {
    const are = (predicate: (type: string) => boolean) =>
      Object.entries(mediaTypes).flatMap(([name, type]) => (predicate(type) ? [name] : []));
    expect(are(isIndexType)).toEqual(["index", "dockerIndex"]);
    expect(are(isManifestType)).toEqual(["manifest", "dockerManifest"]);
    expect(are(isConfigType)).toEqual(["config", "dockerConfig"]);
    expect(are(isSchema1Type)).toEqual(["dockerSchema1", "dockerSchema1Signed"]);
    expect(are(isCheckpointType)).toHaveLength(8);
    expect(are(isForeignLayerType)).toEqual([
      "foreignLayer",
      "foreignLayerGzip",
      "foreignLayerZstd",
      "dockerForeignLayer",
      "dockerForeignLayerGzip",
    ]);
    expect(are(isLayerType)).toEqual(
      are((type) => /\.(?:tar|tar[.+](?:gzip|zstd))$/.test(type) && /layer|diff/.test(type)),
    );
  });

  test("annotation keys, names of a layout, and the empty descriptor are those of the specification", () => {
    expect(Object.keys(annotationKeys)).toHaveLength(14);
    expect(imageLayout).toEqual({
      file: "oci-layout",
      version: "1.0.0",
      indexFile: "index.json",
      blobsDirectory: "blobs",
    });
    expect(embeddedData(emptyJsonDescriptor)!.toString()).toBe("{}");
  });

  test.each(["blake3:abc", "sha256+b64u:LCa0a2j_xo_5m0U8HTBBNBNCLXBkg7-g-YpeiGJm564", "multihash+base58:QmRZxt2b1"])(
    "%s decodes, is valid and is written back; reading it is unsupported, not malformed",
    (unknown) => {
      const image = `{"architecture":"a","os":"b","rootfs":{"type":"layers","diff_ids":["${unknown}"]}}`;
      const index = `{"schemaVersion":2,"manifests":[{"mediaType":"${mediaTypes.manifest}","digest":"${unknown}","size":3},${JSON.stringify(layer)}]}`;
      expect(roundTrip.image(image)).toBe(image);
      expect(roundTrip.manifest(index)).toBe(index);
      expect(encodeIndex(decodeLayoutIndex(Buffer.from(index))).toString()).toBe(index);
      expect([validateImage(Buffer.from(image)), validateIndex(Buffer.from(index))]).toEqual([[], []]);
      const { digest } = decodeDescriptor({ ...layer, digest: unknown });
      expect(() => algorithmOf(digest)).toThrow(expect.objectContaining({ code: "UNSUPPORTED_ALGORITHM" }));
      expect(() => parseDigest(unknown)).toThrow(expect.objectContaining({ code: "UNSUPPORTED_ALGORITHM" }));
    },
  );

  test.each(["sha256:abc", "blake3:a/b", "blake3:", "Blake3:ab", "blake3", `sha512:${"a".repeat(64)}`])(
    "%s is refused as malformed",
    (malformed) =>
      expect(() => decodeDescriptor({ ...layer, digest: malformed })).toThrow(
        expect.objectContaining({ code: "INVALID_DIGEST" }),
      ),
  );
});
