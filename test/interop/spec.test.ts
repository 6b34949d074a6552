import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { chainIDs } from "../../src/images/index.ts";
import {
  annotationKeys,
  decodeDescriptor,
  decodeDocument,
  decodeImage,
  decodeImageLayout,
  decodeLayoutIndex,
  digestOf,
  encodeDescriptor,
  encodeImage,
  encodeImageLayout,
  encodeIndex,
  encodeManifest,
  type Image,
  type Index,
  imageLayout,
  type Manifest,
  mediaTypes,
  type Violation,
  validateDescriptor,
  validateImage,
  validateImageLayout,
  validateIndex,
  validateManifest,
} from "../../src/spec/index.ts";
import { missing, peer, skopeo } from "../support/peers.ts";
import { temporary } from "../support/temporary.ts";

// The judge is the specification's own Go code, from Debian: its schemas, its fixtures, and Go's way to write JSON.
const gopath = "/usr/share/gocode";
const schemas = join(gopath, "src/github.com/opencontainers/image-spec/schema");
const reason = missing({ programs: ["go"] }) ?? (existsSync(schemas) ? undefined : "needs the image-spec Go package");
const scale = Number(process.env["GANTRY_TEST_SCALE"] ?? 0.1);

type Kind = "manifest" | "index" | "image" | "descriptor" | "layout";
interface Answer {
  readonly valid: boolean;
  readonly error: string;
  readonly written: string;
}

const validate: Record<Kind, (document: unknown) => readonly Violation[]> = {
  manifest: validateManifest,
  index: validateIndex,
  image: validateImage,
  descriptor: validateDescriptor,
  layout: validateImageLayout,
};

function decode(kind: Kind, bytes: Buffer): unknown {
  if (kind === "image") return decodeImage(bytes);
  if (kind === "layout") return decodeImageLayout(bytes);
  if (kind === "descriptor") return decodeDescriptor(JSON.parse(bytes.toString()));
  const document = decodeDocument(bytes, undefined);
  return document.kind === "index" ? document.index : document.manifest;
}

function encode(kind: Kind, document: unknown): string {
  if (kind === "image") return encodeImage(document as Image).toString();
  if (kind === "layout") return encodeImageLayout(document as { imageLayoutVersion: string }).toString();
  if (kind === "descriptor") return encodeDescriptor(document as Manifest["config"]).toString();
  if (kind === "index") return encodeIndex(document as Index).toString();
  return encodeManifest(document as Manifest).toString();
}

/** The documents of the specification's tests, with what the specification says of them. */
function fixtures(): { kind: Kind; text: string; valid: boolean; name: string }[] {
  const kinds: [string, Kind][] = [
    ["manifest_test.go", "manifest"],
    ["imageindex_test.go", "index"],
    ["config_test.go", "image"],
    ["descriptor_test.go", "descriptor"],
    ["imagelayout_test.go", "layout"],
  ];
  return kinds.flatMap(([file, kind]) =>
    [...readFileSync(join(schemas, file), "utf8").matchAll(/:\s*`([^`]*)`,\s*fail:\s*(true|false)/g)].map(
      (match, at) => ({
        kind,
        text: match[1]!,
        valid: match[2] === "false",
        name: `${kind} ${at}`,
      }),
    ),
  );
}

describe.skipIf(reason)(`the image specification${reason ? `: ${reason}` : ""}`, () => {
  let oracle: string;
  beforeAll(async () => {
    const { mkdtemp } = await import("node:fs/promises");
    const { tmpdir } = await import("node:os");
    const work = await mkdtemp(join(tmpdir(), "gantry-oracle-"));
    oracle = join(work, "oracle");
    execFileSync("go", ["build", "-o", oracle, "."], {
      cwd: fileURLToPath(new URL("../fixtures/oracle", import.meta.url)),
      env: {
        ...process.env,
        GO111MODULE: "off",
        GOPATH: gopath,
        GOCACHE: join(work, "cache"),
        GOFLAGS: "",
        CGO_ENABLED: "0",
      },
    });
  });

  function ask(documents: readonly { kind: Kind | "chain"; text: string }[]): Answer[] {
    const input = documents.map(({ kind, text }) => JSON.stringify({ kind, document: text })).join("\n");
    const run = spawnSync(oracle, { input, encoding: "utf8", maxBuffer: 1 << 28 });
    expect(run.status).toBe(0);
    return (
      run.stdout
        .split("\n")
        // The schemas' code prints its warnings among our answers.
        .filter((line) => line.startsWith("{"))
        .map((line) => JSON.parse(line) as Answer)
    );
  }

  test("chainIDs are those of the specification's own code, of either algorithm", () => {
    const layers = Array.from({ length: 7 }, (_, at) => digestOf(`layer ${at}`, at % 3 === 2 ? "sha512" : "sha256"));
    const stacks = layers.map((_, at) => layers.slice(0, at + 1));
    const theirs = ask(stacks.map((stack) => ({ kind: "chain", text: stack.join(" ") })));
    expect(chainIDs(layers)).toEqual(theirs.map(({ written }) => written));
  });

  test("every constant of specs-go is here, under the same text", () => {
    const package_ = join(schemas, "../specs-go/v1");
    const texts = ["annotations.go", "mediatype.go", "layout.go"].flatMap((file) =>
      [...readFileSync(join(package_, file), "utf8").matchAll(/^\s+\w+\s*=\s*"([^"]*)"/gm)].map((match) => match[1]!),
    );
    expect(texts.length).toBeGreaterThan(25);
    const ours: readonly string[] = [mediaTypes, annotationKeys, imageLayout].flatMap((names) => Object.values(names));
    // Debian has a release candidate: with names that the release took out again, and the empty type under its old one.
    const dropped = ["application/vnd.oci.artifact.manifest.v1+json", "application/vnd.oci.scratch.v1+json"];
    const missing_ = texts.filter((text) => !ours.includes(text) && !dropped.includes(text));
    expect(missing_.filter((text) => !/^org\.opencontainers\.(?:artifact|referrers)\./.test(text))).toEqual([]);
  });

  test("every valid fixture of the specification is valid, and comes back as Go writes it", () => {
    const good = fixtures().filter(({ valid }) => valid);
    expect(good.length).toBeGreaterThan(10);
    for (const [at, { written }] of ask(good).entries()) {
      const { kind, text, name } = good[at]!;
      expect([name, validate[kind](Buffer.from(text))]).toEqual([name, []]);
      let decoded: unknown;
      try {
        decoded = decode(kind, Buffer.from(written));
      } catch (error) {
        // Digests of algorithms that cannot be verified are legal, and no use.
        expect([name, String(error)]).toEqual([name, expect.stringContaining("unsupported algorithm")]);
        continue;
      }
      expect([name, encode(kind, decoded)]).toEqual([name, written]);
    }
  });

  test("every invalid fixture is refused, with the place", () => {
    const bad = fixtures().filter(({ valid }) => !valid);
    expect(bad.length).toBeGreaterThan(20);
    for (const { kind, text, name } of bad) {
      const violations = validate[kind](Buffer.from(text));
      expect([name, violations.length > 0]).toEqual([name, true]);
      const [{ path, message, rule }] = violations as [Violation];
      if (!message.includes("JSON")) expect([name, path !== "", typeof rule]).toEqual([name, true, "string"]);
    }
  });

  const text = fc.string({ unit: "grapheme", maxLength: 12 });
  const hex = fc.string({ unit: fc.constantFrom(..."0123456789abcdef"), minLength: 64, maxLength: 64 });
  const map = fc.dictionary(
    fc.oneof(text, fc.constantFrom("10", "9", "__proto__", "constructor")).filter(Boolean),
    text,
  );
  const optional = { requiredKeys: [] };
  const platform = fc.record(
    {
      architecture: text,
      os: text,
      "os.version": text.filter(Boolean),
      "os.features": fc.array(text, { minLength: 1 }),
      variant: text.filter(Boolean),
    },
    { requiredKeys: ["architecture", "os"] },
  );
  const descriptor = fc.record(
    {
      mediaType: fc.constantFrom("application/vnd.oci.image.layer.v1.tar", "a/b"),
      digest: hex.map((digits) => `sha256:${digits}`),
      size: fc.nat(),
      urls: fc.array(fc.webUrl(), { minLength: 1 }),
      annotations: map.filter((value) => Object.keys(value).length > 0),
      platform,
    },
    { requiredKeys: ["mediaType", "digest", "size"] },
  );
  const manifest = fc.record(
    {
      schemaVersion: fc.constant(2 as const),
      mediaType: fc.constant("application/vnd.oci.image.manifest.v1+json"),
      config: descriptor,
      layers: fc.array(descriptor, { minLength: 1 }),
      subject: descriptor,
      annotations: map.filter((value) => Object.keys(value).length > 0),
    },
    { requiredKeys: ["schemaVersion", "config", "layers"] },
  );
  const created = fc
    .date({ min: new Date(0), max: new Date("2199-01-01"), noInvalidDate: true })
    .map((date) => date.toISOString().replace(/\.?0*Z$/, "Z"));
  const list = fc.array(text, { minLength: 1 });
  const nonEmpty = text.filter(Boolean);
  const set = fc.dictionary(nonEmpty, fc.constant({})).filter((value) => Object.keys(value).length > 0);
  const image = fc.record(
    {
      created,
      author: nonEmpty,
      architecture: text,
      os: text,
      config: fc.record(
        {
          User: nonEmpty,
          Env: list.map((values) => values.map((value) => `A=${value}`)),
          Entrypoint: list,
          Cmd: list,
          Volumes: set,
          WorkingDir: nonEmpty,
          Labels: map.filter((value) => Object.keys(value).length > 0),
        },
        optional,
      ),
      rootfs: fc.record({
        type: fc.constant("layers"),
        diff_ids: fc.array(
          hex.map((digits) => `sha256:${digits}`),
          { minLength: 1 },
        ),
      }),
      history: fc.array(fc.record({ created, created_by: nonEmpty, empty_layer: fc.constant(true) }, optional), {
        minLength: 1,
      }),
    },
    { requiredKeys: ["architecture", "os", "config", "rootfs"] },
  );

  test("documents made by hand are written as Go writes them: order, escaping, maps", () => {
    const documents = [
      ...fc.sample(manifest, 300 * scale).map((value) => ({ kind: "manifest" as Kind, value: value as unknown })),
      ...fc.sample(image, 300 * scale).map((value) => ({ kind: "image" as Kind, value: value as unknown })),
      ...fc.sample(descriptor, 300 * scale).map((value) => ({ kind: "descriptor" as Kind, value: value as unknown })),
    ].map(({ kind, value }) => ({ kind, value, text: JSON.stringify(value) }));
    for (const [at, { written }] of ask(documents).entries()) {
      const { kind, value } = documents[at]!;
      const legacy = (bytes: string): string => bytes.replaceAll("\\b", "\\u0008").replaceAll("\\f", "\\u000c");
      expect(legacy(encode(kind, value))).toBe(written);
      expect(encode(kind, decode(kind, Buffer.from(written)))).toBe(written);
    }
  });

  test("what the schemas refuse, we refuse: good documents with one thing wrong", () => {
    const wrong = fc.constantFrom<unknown>(
      null,
      7,
      -1,
      1.5,
      "",
      "x y",
      true,
      [],
      {},
      ["a"],
      [1],
      { a: 1 },
      "sha256:no",
    );
    const mutate = (value: unknown, picks: readonly number[], by: unknown): unknown => {
      const copy = structuredClone(value) as Record<string, unknown>;
      let at = copy;
      for (const pick of picks) {
        const keys = Object.keys(at);
        if (keys.length === 0) break;
        const key = keys[pick % keys.length]!;
        const next = at[key];
        if (typeof next === "object" && next !== null && pick % 3 !== 0) at = next as Record<string, unknown>;
        else {
          if (by === undefined) delete at[key];
          else at[key] = by;
          break;
        }
      }
      return copy;
    };
    const picks = fc.array(fc.nat(30), { minLength: 1, maxLength: 5 });
    const by = fc.oneof(wrong, fc.constant(undefined));
    const count = 3_000 * scale;
    const sample = (kind: Kind, of: fc.Arbitrary<unknown>) =>
      fc.sample(fc.tuple(of, picks, by), count).map((made) => ({ kind, text: JSON.stringify(mutate(...made)) }));
    const documents = [
      ...sample("manifest", manifest),
      ...sample("image", image),
      ...sample("descriptor", descriptor),
      ...sample(
        "index",
        fc.record({ schemaVersion: fc.constant(2), manifests: fc.array(descriptor, { minLength: 1 }) }),
      ),
    ];
    let refused = 0;
    for (const [at, { valid, error }] of ask(documents).entries()) {
      const { kind, text: document } = documents[at]!;
      // config.md: "Any OPTIONAL field MAY also be set to null"; its schema knows that of four fields only.
      if (valid || (kind === "image" && /^\[[^ ]+ Invalid type. Expected: \w+, given: null\]$/.test(error))) continue;
      refused += 1;
      expect([document, error, validate[kind](Buffer.from(document)).length > 0]).toEqual([document, error, true]);
    }
    expect(refused).toBeGreaterThan(documents.length / 10);
  });
});

const builders = missing({ programs: ["skopeo", "umoci", "buildah", "podman"], root: true });

describe.skipIf(builders)(`documents of the world's builders${builders ? `: ${builders}` : ""}`, () => {
  /** Every JSON document of a layout or a `dir:` image, by path. */
  function documents(directory: string): [string, Buffer][] {
    const found: [string, Buffer][] = [];
    for (const entry of readdirSync(directory, { recursive: true, encoding: "utf8" })) {
      const path = join(directory, entry);
      if (!statSync(path).isFile()) continue;
      const bytes = readFileSync(path);
      if (bytes[0] === 0x7b) found.push([path, bytes]);
    }
    return found;
  }

  function kindOf(path: string, bytes: Buffer): Kind {
    if (path.endsWith("oci-layout")) return "layout";
    const value = JSON.parse(bytes.toString()) as Record<string, unknown>;
    if ("rootfs" in value) return "image";
    return "manifests" in value ? "index" : "manifest";
  }

  test("of skopeo, umoci, buildah and podman decode, are valid, and come back byte for byte", async () => {
    const work = await temporary();
    const at = (name: string): string => join(work, name);
    // umoci: a layout from nothing, with odd labels, and times to the nanosecond.
    await peer("umoci", ["init", "--layout", at("umoci")]);
    await peer("umoci", ["new", "--image", `${at("umoci")}:v1`]);
    await peer("umoci", [
      "config",
      "--image",
      `${at("umoci")}:v1`,
      "--author",
      "A <a@b.c> & sons",
      "--config.label",
      "10=ten",
      "--config.label",
      "9=<nine>",
      "--config.label",
      "__proto__=x",
      "--config.env",
      "A=\u2028&",
      "--config.volume",
      "/v",
      "--config.exposedports",
      "80/tcp",
      "--created",
      "2024-02-29T12:00:00.123456789Z",
    ]);
    const storage = ["--root", at("root"), "--runroot", at("run"), "--storage-driver", "vfs"];
    const policy = ["--signature-policy", at("policy.json")];
    writeFileSync(at("policy.json"), '{"default":[{"type":"insecureAcceptAnything"}]}');
    const run = async (program: string, ...args: string[]): Promise<string> =>
      (await peer(program, [...storage, ...args], work)).trim();
    const container = await run("buildah", "from", "scratch");
    await run("buildah", "config", "--label", "a=<b>&c", "--env", "X=\u2029", "--volume", "/data", container);
    for (const format of ["oci", "docker"])
      await run("buildah", "commit", ...policy, "--format", format, container, `dir:${at(`buildah-${format}`)}`);
    await run("buildah", "commit", ...policy, container, `oci:${at("buildah")}:v1`);
    await peer("tar", ["cf", at("empty.tar"), "-C", work, "policy.json"]);
    await run("podman", "import", "--change", "LABEL x=<y>", at("empty.tar"), "localhost/pod:v1");
    await run("podman", "push", ...policy, "localhost/pod:v1", `oci:${at("podman")}:v1`);
    await run("podman", "push", ...policy, "--format", "docker", "localhost/pod:v1", `dir:${at("podman-docker")}`);
    await run("podman", "manifest", "create", "localhost/list:v1");
    await run("podman", "manifest", "add", "localhost/list:v1", `oci:${at("podman")}:v1`);
    await run("podman", "manifest", "push", "--all", "localhost/list:v1", `oci:${at("podman-list")}:v1`);
    for (const format of ["oci", "v2s2"])
      await skopeo("copy", "-q", "--format", format, `oci:${at("podman")}:v1`, `dir:${at(`skopeo-${format}`)}`);
    const kinds = new Map<string, number>();
    for (const name of readdirSync(work)) {
      if (!/^(?:umoci|buildah|podman|skopeo)/.test(name)) continue;
      for (const [path, bytes] of documents(at(name))) {
        const kind = kindOf(path, bytes);
        const decoded = path.endsWith("index.json") ? decodeLayoutIndex(bytes) : decode(kind, bytes);
        expect([path, encode(kind, decoded)]).toEqual([path, bytes.toString()]);
        const violations = validate[kind](bytes);
        // umoci's image from nothing has no layers, which the specification would rather not see.
        const expected = name === "umoci" && kind === "manifest" ? ["layers"] : [];
        expect([path, violations.map((violation) => violation.path)]).toEqual([path, expected]);
        const label = `${name.replace(/-.*/, "")} ${kind}`;
        kinds.set(label, (kinds.get(label) ?? 0) + 1);
      }
    }
    for (const builder of ["umoci", "buildah", "podman", "skopeo"])
      for (const kind of ["manifest", "image"])
        expect([builder, kind, kinds.has(`${builder} ${kind}`)]).toEqual([builder, kind, true]);
    expect([kinds.has("podman index"), kinds.has("umoci layout")]).toEqual([true, true]);
  });
});
