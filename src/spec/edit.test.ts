import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type Digest,
  editImage,
  editIndex,
  editLayoutIndex,
  editManifest,
  type Image,
  type Index,
  type Manifest,
  mediaTypes,
} from "./index.ts";

/** A JSON token to be written literally: a number in the notation of another tool, a text with escapes. */
class Token {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}
type Value = Token | null | string | number | boolean | readonly Value[] | { readonly [key: string]: Value };

/** How a tool lays out JSON. */
interface Layout {
  readonly indent: string;
  readonly colon: string;
  readonly comma: string;
  readonly end: string;
  readonly html: boolean;
}

/** Writes JSON in the layout of a tool. It shares no code with the library, whose edits it judges. */
function print(value: Value, layout: Layout, depth = 0): string {
  if (value instanceof Token) return value.text;
  if (typeof value === "string") return quoted(value, layout);
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const isList = Array.isArray(value);
  const parts = isList
    ? value.map((item: Value) => print(item, layout, depth + 1))
    : Object.entries(value).map(
        ([key, item]) => `${quoted(key, layout)}${layout.colon}${print(item, layout, depth + 1)}`,
      );
  const [open, close] = isList ? "[]" : "{}";
  if (parts.length === 0) return `${open}${close}`;
  if (layout.indent === "") return `${open}${parts.join(layout.comma)}${close}`;
  const line = `\n${layout.indent.repeat(depth + 1)}`;
  return `${open}${line}${parts.join(`,${line}`)}\n${layout.indent.repeat(depth)}${close}`;
}

function quoted(text: string, { html }: Layout): string {
  const plain = JSON.stringify(text);
  return html ? plain.replace(/[<>&]/g, (char) => `\\u00${char.charCodeAt(0).toString(16)}`) : plain;
}

const compact: Layout = { indent: "", colon: ":", comma: ",", end: "", html: true };
const layouts: Record<string, Layout> = {
  "docker, buildah and skopeo": compact,
  "umoci, with a newline at the end": { ...compact, end: "\n" },
  "docker's manifests of old, 3 spaces": { ...compact, indent: "   ", colon: ": " },
  "imagetools, 2 spaces": { ...compact, indent: "  ", colon: ": " },
  "tabs and a newline": { ...compact, indent: "\t", colon: ": ", end: "\n" },
  "Python's, without Go's escapes": { ...compact, colon: ": ", comma: ", ", html: false },
  "jq, 2 spaces": { indent: "  ", colon: ": ", comma: ",", end: "\n", html: false },
};
const bytesOf = (value: Value, layout: Layout): Buffer => Buffer.from(print(value, layout) + layout.end);

const digest = (seed: number): Digest => `sha256:${seed.toString(16).padStart(64, "0")}` as Digest;

const word = fc.stringMatching(/^[a-zA-Z0-9 .:/_-]{0,12}$/);
const text = fc.oneof(word, fc.constantFrom("<a&b>", 'quo"te', "back\\slash", "tab\t", "é\u{1f600}", "\\u0026"));
const orNull = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | null> => fc.oneof(value, fc.constant(null));
const strings = fc.array(text, { minLength: 1, maxLength: 4 });
const labels = fc.dictionary(fc.stringMatching(/^[a-z][a-z0-9.]{0,8}$/), text, { minKeys: 1, maxKeys: 4 });
/** Fields that only other tools know, with numbers in notations that JavaScript does not write. */
const foreign = fc.constantFrom<Value>(
  new Token("1.0"),
  new Token("1e3"),
  new Token("-0.50"),
  new Token('"\\u0041\\/"'),
  [],
  {},
  { z: 1, a: [null, new Token("2.50")] },
);

/** An object with its keys in another order, since tools differ in it. */
const shuffled = (value: Record<string, Value | undefined>): fc.Arbitrary<Record<string, Value>> => {
  const entries = Object.entries(value).filter((entry): entry is [string, Value] => entry[1] !== undefined);
  return fc
    .shuffledSubarray(entries, { minLength: entries.length, maxLength: entries.length })
    .map((order) => Object.fromEntries(order));
};
const optional = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(value, { nil: undefined });

const descriptor = fc
  .record({
    seed: fc.nat(1e6),
    size: fc.nat(1e9),
    annotations: optional(orNull(labels)),
    urls: optional(fc.constant(null)),
  })
  .chain(({ seed, ...rest }) => shuffled({ mediaType: mediaTypes.layerGzip, digest: digest(seed), ...rest }));
const imageDocument = fc
  .record({
    author: text,
    created: fc.constant("2024-01-01T00:00:00.123456789Z"),
    architecture: fc.constant("amd64"),
    os: fc.constant("linux"),
    container: optional(foreign),
    history: optional(fc.array(fc.record({ created_by: text, comment: text }), { minLength: 1, maxLength: 3 })),
    rootfs: fc.array(fc.nat(1e6).map(digest), { maxLength: 3 }).map((diff_ids) => ({ type: "layers", diff_ids })),
    config: fc
      .record({
        Env: orNull(strings),
        Cmd: optional(orNull(strings)),
        Volumes: fc.constant(null),
        Labels: labels,
        User: text,
        Healthcheck: optional(foreign),
      })
      .chain(shuffled),
  })
  .chain(shuffled);
const manifestDocument = fc
  .record({
    mediaType: optional(fc.constant(mediaTypes.manifest)),
    config: descriptor,
    layers: fc.array(descriptor, { minLength: 1, maxLength: 5 }),
    annotations: orNull(labels),
    extra: optional(foreign),
  })
  .chain((value) => shuffled({ schemaVersion: 2, ...value }));
const anyLayout = fc.constantFrom(...Object.values(layouts));
const runs = { numRuns: Math.ceil(2_000 * Number(process.env["GANTRY_TEST_SCALE"] ?? 0.1)) };

/** A copy in which `next` replaces the value at a path; undefined removes it. */
function put(value: Value, path: readonly (string | number)[], next: (old: Value) => Value | undefined): Value {
  const [step, ...rest] = path;
  const change = (item: Value): Value | undefined => (rest.length > 0 ? put(item, rest, next) : next(item));
  if (Array.isArray(value)) {
    return value.flatMap((item: Value, at) => (at === step ? (change(item) ?? []) : [item])) as readonly Value[];
  }
  return Object.fromEntries(
    Object.entries(value as Record<string, Value>).flatMap(([key, item]) => {
      const changed = key === step ? change(item) : item;
      return changed === undefined ? [] : [[key, changed]];
    }),
  );
}

/** A map with one more key: in its place if the map is sorted, else at the end. */
function add(map: Record<string, Value>, key: string, value: Value): Record<string, Value> {
  const keys = Object.keys(map);
  const isOrdered = keys.every((other, at) => at === 0 || keys[at - 1]! < other);
  const entries = [...Object.entries(map), [key, value] as const];
  return Object.fromEntries(isOrdered ? entries.sort(([a], [b]) => (a < b ? -1 : 1)) : entries);
}

/** One change, in the types of the library and in the values that the test prints. */
interface Case<T> {
  readonly change: (document: T) => T;
  readonly expected: Value;
}

type Drawn = Record<string, Value>;
type Runtime = Drawn & { Labels: Drawn; Env: readonly string[] | null; User: string };

function imageCases(document: Drawn, fresh: string): Case<Image>[] {
  const config = document["config"] as Runtime;
  const key = Object.keys(config.Labels)[0]!;
  const runtime = (change: (config: NonNullable<Image["config"]>) => Image["config"]) => (image: Image) => ({
    ...image,
    config: change(image.config!),
  });
  const { [key]: _removed, ...others } = config.Labels;
  return [
    { change: (image) => ({ ...image, author: fresh }), expected: put(document, ["author"], () => fresh) },
    { change: ({ author: _author, ...image }) => image, expected: put(document, ["author"], () => undefined) },
    {
      change: runtime((it) => ({ ...it, User: fresh })),
      expected: put(document, ["config", "User"], () => fresh),
    },
    {
      change: runtime((it) => ({ ...it, Labels: { ...it.Labels, [key]: fresh } })),
      expected: put(document, ["config", "Labels", key], () => fresh),
    },
    {
      change: runtime((it) => {
        const { [key]: _label, ...Labels } = it.Labels!;
        return { ...it, Labels };
      }),
      expected: put(document, ["config", "Labels"], () => others),
    },
    {
      change: runtime((it) => ({ ...it, Labels: { ...it.Labels, "k.new": fresh } })),
      expected: put(document, ["config", "Labels"], (it) => add(it as Drawn, "k.new", fresh)),
    },
    {
      change: runtime((it) => ({ ...it, Env: [...(it.Env ?? []), fresh] })),
      expected: put(document, ["config", "Env"], (it) => [...((it as string[]) ?? []), fresh]),
    },
    {
      change: runtime((it) => ({ ...it, Env: [fresh, ...(it.Env ?? [])] })),
      expected: put(document, ["config", "Env"], (it) => [fresh, ...((it as string[]) ?? [])]),
    },
    {
      change: (image) => ({ ...image, rootfs: { ...image.rootfs, diff_ids: [...image.rootfs.diff_ids, digest(7)] } }),
      expected: put(document, ["rootfs", "diff_ids"], (it) => [...(it as string[]), digest(7)]),
    },
  ];
}

function manifestCases(document: Drawn, fresh: string): Case<Manifest>[] {
  const layers = document["layers"] as Drawn[];
  const last = layers.length - 1;
  const layer = { mediaType: mediaTypes.layer, digest: digest(1e9), size: 1 };
  const annotations = document["annotations"] as Drawn | null;
  return [
    {
      change: (it) => ({ ...it, layers: it.layers.map((old, at) => (at === last ? { ...old, size: 2e9 } : old)) }),
      expected: put(document, ["layers", last, "size"], () => 2e9),
    },
    {
      change: (it) => ({ ...it, layers: it.layers.slice(1) }),
      expected: put(document, ["layers", 0], () => undefined),
    },
    { change: (it) => ({ ...it, layers: [] }), expected: put(document, ["layers"], () => []) },
    {
      change: (it) => ({ ...it, layers: [layer, ...it.layers] }),
      expected: put(document, ["layers"], (old) => [layer, ...(old as Value[])]),
    },
    {
      change: (it) => ({ ...it, layers: [...it.layers].reverse() }),
      expected: put(document, ["layers"], (old) => [...(old as Value[])].reverse()),
    },
    {
      change: (it) => ({ ...it, config: { ...it.config, digest: digest(9) } }),
      expected: put(document, ["config", "digest"], () => digest(9)),
    },
    {
      change: (it) => ({ ...it, annotations: { ...it.annotations, "k.new": fresh } }),
      expected: put(document, ["annotations"], () => add(annotations ?? {}, "k.new", fresh)),
    },
  ];
}

describe("a change keeps the rest of a document byte for byte", () => {
  test("of an image configuration, in the layout of any tool", () => {
    fc.assert(
      fc.property(imageDocument, anyLayout, word, fc.nat(), (document, layout, fresh, pick) => {
        const cases = imageCases(document, `fresh ${fresh}`);
        const { change, expected } = cases[pick % cases.length]!;
        expect(editImage(bytesOf(document, layout), change).toString()).toBe(bytesOf(expected, layout).toString());
      }),
      runs,
    );
  });

  test("of a manifest, in the layout of any tool", () => {
    fc.assert(
      fc.property(manifestDocument, anyLayout, word, fc.nat(), (document, layout, fresh, pick) => {
        const cases = manifestCases(document, `fresh ${fresh}`);
        const { change, expected } = cases[pick % cases.length]!;
        expect(editManifest(bytesOf(document, layout), change).toString()).toBe(bytesOf(expected, layout).toString());
      }),
      runs,
    );
  });

  test("an edit that changes nothing keeps every byte, also unusual white space", () => {
    fc.assert(
      fc.property(
        manifestDocument,
        fc.array(fc.constantFrom("", " ", "\n", "\r\n\t"), { minLength: 1 }),
        (document, spaces) => {
          let at = 0;
          const odd = print(document, { ...compact, html: false }).replace(/"(?:[^"\\]|\\.)*"|[{}[\]:,]/g, (token) => {
            at += 1;
            return `${spaces[at % spaces.length]}${token}${spaces[(at * 7) % spaces.length]}`;
          });
          expect(
            editManifest(Buffer.from(odd), (it) => ({
              ...it,
              layers: it.layers.map((layer) => ({ ...layer })),
            })).toString(),
          ).toBe(odd);
          // Two documents differ in one number: editing that number in one gives the other.
          const [config] = /"digest"[^"]*"sha256:[0-9a-f]{64}/.exec(odd.slice(odd.indexOf('"config"')))!;
          const changed = odd.replace(config, config.replace(/[0-9a-f]{64}/, "f".repeat(64)));
          const wanted = `sha256:${"f".repeat(64)}` as Digest;
          const result = editManifest(Buffer.from(odd), (it) => ({ ...it, config: { ...it.config, digest: wanted } }));
          expect(result.toString()).toBe(changed);
        },
      ),
      runs,
    );
  });
});

describe("new parts of a document", () => {
  const one = { mediaType: mediaTypes.manifest, digest: digest(1), size: 3 };

  test("are in the order of the specification, or of the keys of a map", () => {
    const bytes = Buffer.from(
      `{\n   "schemaVersion": 2,\n   "config": ${JSON.stringify(one)},\n   "layers": [],\n   "annotations": {"a": "1", "c": "<"}\n}\n`,
    );
    const changed = editManifest(bytes, (manifest) => ({
      ...manifest,
      mediaType: mediaTypes.manifest,
      artifactType: "a/b",
      annotations: { ...manifest.annotations, b: "&" },
      subject: one,
    }));
    const subject = JSON.stringify(one, null, 3).replaceAll("\n", "\n   ");
    expect(changed.toString()).toBe(
      `{\n   "schemaVersion": 2,\n   "mediaType": "${mediaTypes.manifest}",\n   "artifactType": "a/b",\n   "config": ${JSON.stringify(one)},\n   "layers": [],\n   "subject": ${subject},\n   "annotations": {"a": "1", "b": "&", "c": "<"}\n}\n`,
    );
  });

  test("an index.json gets and loses an entry, and gets an annotation", () => {
    const text = JSON.stringify(
      { schemaVersion: 2, manifests: [one, { ...one, digest: digest(2) }], x: 1 },
      null,
      "\t",
    );
    const named = { ...one, digest: digest(3), annotations: { "org.opencontainers.image.ref.name": "v1" } };
    const more = editLayoutIndex(Buffer.from(text), (index) => ({ ...index, manifests: [...index.manifests, named] }));
    const less = editLayoutIndex(more, (index) => ({ ...index, manifests: index.manifests.slice(1) }));
    const value = { schemaVersion: 2, manifests: [{ ...one, digest: digest(2) }, named], x: 1 };
    expect(less.toString()).toBe(JSON.stringify(value, null, "\t"));
    const marked = editIndex(less, (index: Index) => ({ ...index, annotations: { a: "1" } }));
    expect(marked.toString()).toBe(JSON.stringify({ ...value, annotations: { a: "1" } }, null, "\t"));
  });

  test("nulls stay null until they get a value, and absent fields stay absent", () => {
    const text =
      '{"architecture":"a","os":"b","config":{"Env":null,"Labels":null},"rootfs":{"type":"layers"},"history":null}';
    const change = (image: Image): Image => ({ ...image, author: "me", config: { ...image.config, Env: ["A=1"] } });
    expect(editImage(Buffer.from(text), change).toString()).toBe(
      text.replace('{"arch', '{"author":"me","arch').replace('"Env":null', '"Env":["A=1"]'),
    );
  });

  test("keys that JavaScript reorders, or that its objects inherit, keep their places", () => {
    const text =
      '{"architecture":"a","os":"b","config":{"Labels":{"b":"1","10":"2","__proto__":"3","9":"4"}},"rootfs":{"type":"layers","diff_ids":[]}}';
    const labels =
      (change: Record<string, string>) =>
      (image: Image): Image => ({
        ...image,
        config: { ...image.config, Labels: { ...image.config!.Labels, ...change } },
      });
    expect(editImage(Buffer.from(text), labels({ 9: "x" })).toString()).toBe(text.replace('"4"', '"x"'));
    const own = JSON.parse('{"__proto__":"x"}') as Record<string, string>;
    expect(editImage(Buffer.from(text), labels(own)).toString()).toBe(text.replace('"3"', '"x"'));
  });

  test("a document that is changed in place counts as changed", () => {
    const bytes = Buffer.from(`{"schemaVersion":2,"config":${JSON.stringify(one)},"layers":[]}`);
    const changed = editManifest(bytes, (manifest) => Object.assign(manifest, { artifactType: "a/b" }));
    expect(changed.toString()).toContain('{"schemaVersion":2,"artifactType":"a/b","config"');
  });

  test("an invalid result is refused, and so is a document of another kind", () => {
    const bytes = Buffer.from(`{"schemaVersion":2,"config":${JSON.stringify(one)},"layers":[]}`);
    const fault = (code: string) => expect.objectContaining({ code });
    expect(() => editManifest(bytes, ({ config: _config, ...rest }) => rest as Manifest)).toThrow(
      fault("INVALID_DOCUMENT"),
    );
    const both = (manifest: Manifest) => ({ ...manifest, manifests: [] });
    expect(() => editManifest(bytes, both)).toThrow(fault("AMBIGUOUS_DOCUMENT"));
    expect(() => editIndex(bytes, (index) => index)).toThrow(fault("UNSUPPORTED_MEDIA_TYPE"));
  });
});
