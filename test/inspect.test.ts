import { join } from "node:path";
import { expect, test } from "vitest";
import { bytesSource } from "../src/content/index.ts";
import { parseTag } from "../src/reference/index.ts";
import { LayoutRegistry } from "../src/registry/index.ts";
import { type Descriptor, emptyJsonDescriptor, mediaTypes } from "../src/spec/index.ts";
import { randomImage, type TestBlob, testBlob } from "../src/testing/index.ts";
import { gantry } from "./support/peers.ts";
import { temporary } from "./support/temporary.ts";

const history = [
  { created: "2024-05-01T10:00:00Z", created_by: "ADD rootfs.tar / # buildkit" },
  { created: "2024-05-01T10:00:01Z", created_by: 'ENV PATH="/bin"', empty_layer: true },
  { comment: "from\u001b[31m elsewhere" },
];
const image = randomImage({ sizes: [1_000, 2_000], config: { Env: ["PATH=/bin", "LANG=C.UTF-8"], Cmd: ["sh"] } });
const [plain, ...layers] = image.blobs as [TestBlob, ...TestBlob[]];
const config = testBlob(JSON.stringify({ ...JSON.parse(plain.bytes.toString()), history }), mediaTypes.config);
const described = (blobs: readonly TestBlob[]): Descriptor[] => blobs.map(({ descriptor }) => descriptor);
const document = (mediaType: string, fields: object): TestBlob =>
  testBlob(JSON.stringify({ schemaVersion: 2, mediaType, ...fields }), mediaType);
const manifest = document(mediaTypes.manifest, { config: config.descriptor, layers: described(layers) });

/** A layout with blobs and documents, the last one called `v1`. */
async function layoutOf(blobs: readonly TestBlob[], documents: readonly TestBlob[]): Promise<string> {
  const directory = join(await temporary(), "layout");
  const layout = new LayoutRegistry(directory, { create: true });
  for (const { descriptor, bytes } of blobs)
    await layout.pushBlob(layout.defaultRepository, descriptor, bytesSource(descriptor, bytes));
  for (const { descriptor, bytes } of documents) {
    const tags = bytes === documents.at(-1)!.bytes ? [parseTag("v1")] : [];
    await layout.pushManifest(layout.defaultRepository, bytes, descriptor.mediaType, { tags });
  }
  await layout.close();
  return `oci:${directory}:v1`;
}

async function look(location: string): Promise<{ text: string; json: Record<string, unknown> }> {
  const [text, json] = [await gantry(["inspect", location]), await gantry(["inspect", "--json", location])];
  expect([text.code, text.stderr, json.code]).toEqual([0, "", 0]);
  return { text: text.stdout, json: JSON.parse(json.stdout) };
}

test("inspect shows the environment and the history of an image", async () => {
  const { text, json } = await look(await layoutOf([config, ...layers], [manifest]));
  expect(json).toMatchObject({
    images: [{ config: { Env: ["PATH=/bin", "LANG=C.UTF-8"] }, history, layers: described(layers) }],
    artifacts: [],
  });
  expect(text).toContain("env\n");
  expect(text).toMatch(/├── PATH=\/bin\n.*└── LANG=C\.UTF-8\n/);
  expect(text).toMatch(/└── history {5}3 steps\n/);
  expect(text).toContain("2024-05-01T10:00:00Z  ADD rootfs.tar / # buildkit\n");
  expect(text).toContain('2024-05-01T10:00:01Z  ENV PATH="/bin"  (no layer)\n');
  // What an image says does not steer the terminal.
  expect(text).toContain("from\\x1b[31m elsewhere\n");
});

test("inspect shows the type of an artifact, and its layers with their titles", async () => {
  const empty = { descriptor: emptyJsonDescriptor, bytes: Buffer.from("{}") };
  const chart = testBlob("a chart", "application/vnd.cncf.helm.chart.content.v1.tar+gzip");
  const notes = testBlob("some notes", "text/markdown");
  const title = { "org.opencontainers.image.title": "NOTES.md" };
  const artifact = document(mediaTypes.manifest, {
    artifactType: "application/vnd.example.thing",
    config: emptyJsonDescriptor,
    layers: [chart.descriptor, { ...notes.descriptor, annotations: title }],
  });
  const { text, json } = await look(await layoutOf([empty, chart, notes], [artifact]));
  expect(json).toMatchObject({
    images: [],
    artifacts: [
      {
        digest: artifact.descriptor.digest,
        artifactType: "application/vnd.example.thing",
        layers: [chart.descriptor, { ...notes.descriptor, annotations: title }],
      },
    ],
  });
  expect(text).toContain(`artifact  ${artifact.descriptor.digest}  application/vnd.example.thing\n`);
  expect(text).toContain("layers      2, 17 B\n");
  expect(text).toMatch(
    new RegExp(`${chart.descriptor.digest} +7 B  ${chart.descriptor.mediaType.replace("+", "\\+")}\n`),
  );
  expect(text).toMatch(new RegExp(`${notes.descriptor.digest} +10 B  text/markdown  NOTES\\.md\n`));

  // One of before artifactType was there: what it is, its config says.
  const helm = testBlob("{}", "application/vnd.cncf.helm.config.v1+json");
  const old = document(mediaTypes.manifest, { config: helm.descriptor, layers: [chart.descriptor] });
  const found = await look(await layoutOf([helm, chart], [old]));
  expect(found.json).toMatchObject({ artifacts: [{ artifactType: helm.descriptor.mediaType }] });
});

test("an entry is an attestation by its annotation, not by an unknown platform", async () => {
  const statement = testBlob("{}", "application/vnd.in-toto+json");
  const predicate = { "in-toto.io/predicate-type": "https://slsa.dev/provenance/v0.2" };
  const provenance = document(mediaTypes.manifest, {
    // BuildKit gives its attestations a config of an image, too.
    config: config.descriptor,
    layers: [{ ...statement.descriptor, annotations: predicate }],
  });
  const unknown = { os: "unknown", architecture: "unknown" };
  const about = {
    "vnd.docker.reference.type": "attestation-manifest",
    "vnd.docker.reference.digest": manifest.descriptor.digest,
  };
  const odd = document(mediaTypes.manifest, { config: plain.descriptor, layers: described(layers) });
  const text = testBlob("read me", "text/plain");
  const index = document(mediaTypes.index, {
    artifactType: "application/vnd.example.set",
    manifests: [
      { ...manifest.descriptor, platform: { os: "linux", architecture: "amd64" } },
      // Also where the platform is left out.
      { ...provenance.descriptor, annotations: about },
      { ...odd.descriptor, platform: unknown },
      text.descriptor,
    ],
  });
  const location = await layoutOf([plain, config, statement, text, ...layers], [manifest, provenance, odd]);
  const layout = new LayoutRegistry(location.slice("oci:".length, -":v1".length), { sparse: true });
  await layout.pushManifest(layout.defaultRepository, index.bytes, mediaTypes.index, { tags: [parseTag("v1")] });
  await layout.close();
  const found = await look(location);
  expect(found.json).toMatchObject({
    artifactType: "application/vnd.example.set",
    images: [{ descriptor: { digest: manifest.descriptor.digest } }, { descriptor: { digest: odd.descriptor.digest } }],
    artifacts: [
      {
        digest: provenance.descriptor.digest,
        about: manifest.descriptor.digest,
        layers: [{ digest: statement.descriptor.digest, annotations: predicate }],
      },
      { digest: text.descriptor.digest, layers: [] },
    ],
    missing: [],
  });
  expect(found.text).toContain("type    application/vnd.oci.image.index.v1+json (application/vnd.example.set)\n");
  expect(found.text).toContain(`attestation  ${provenance.descriptor.digest}`);
  expect(found.text).toContain(`about       ${manifest.descriptor.digest}\n`);
  expect(found.text).toContain("application/vnd.in-toto+json  https://slsa.dev/provenance/v0.2\n");
  expect(found.text).toContain(`artifact  ${text.descriptor.digest}  text/plain\n`);
});
