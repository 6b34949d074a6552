import { gzipSync } from "node:zlib";
import { bytesSource } from "../content/source.ts";
import { parseRepoName, parseTag, type RepoName, type Tag } from "../reference/reference.ts";
import type { Registry } from "../registry/registry.ts";
import { digestOf } from "../spec/digest.ts";
import { mediaTypes } from "../spec/media-types.ts";
import type { Descriptor, Image, Index, Manifest, Platform } from "../spec/types.ts";
import { encodeTar, type TarEntry } from "../tar/writer.ts";

/** A blob with the descriptor of its bytes. */
export interface TestBlob {
  readonly descriptor: Descriptor;
  readonly bytes: Buffer;
}

/** A layer blob, with the digest of its uncompressed bytes. */
export interface TestLayer extends TestBlob {
  readonly diffID: Descriptor["digest"];
}

/** An image in memory: blobs, and documents from the leaves up; the last document is the top one. */
export interface TestImage {
  readonly blobs: readonly TestBlob[];
  readonly documents: readonly TestBlob[];
  readonly descriptor: Descriptor;
}

export function testBlob(bytes: Uint8Array | string, mediaType: string = mediaTypes.octetStream): TestBlob {
  const kept = Buffer.from(bytes as Uint8Array);
  return { bytes: kept, descriptor: { mediaType, digest: digestOf(kept), size: kept.length } };
}

/** Bytes that look random and are the same for the same seed. */
export function seededBytes(length: number, seed = 1): Buffer {
  const bytes = Buffer.alloc(length);
  let state = seed >>> 0 || 1;
  for (let at = 0; at < length; at += 1) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes[at] = state & 0xff;
  }
  return bytes;
}

/** A layer from entries, or from the bytes of an archive. */
export function testLayer(
  content: Iterable<TarEntry> | Buffer,
  options: { readonly gzip?: boolean | undefined } = {},
): TestLayer {
  const tar = Buffer.isBuffer(content) ? content : encodeTar(content);
  const plain = options.gzip === false;
  const bytes = plain ? tar : gzipSync(tar);
  return { ...testBlob(bytes, plain ? mediaTypes.layer : mediaTypes.layerGzip), diffID: digestOf(tar) };
}

export interface TestImageOptions {
  readonly platform?: Platform | undefined;
  readonly config?: Image["config"] | undefined;
  /** Written into the config instead of the right diffIDs. */
  readonly diffIDs?: readonly Descriptor["digest"][] | undefined;
}

export function testImage(layers: readonly TestLayer[], options: TestImageOptions = {}): TestImage {
  const platform = options.platform ?? { os: "linux", architecture: "amd64" };
  const config = testBlob(
    JSON.stringify({
      ...platform,
      config: options.config ?? { Cmd: ["sh"] },
      rootfs: { type: "layers", diff_ids: options.diffIDs ?? layers.map((layer) => layer.diffID) },
    }),
    mediaTypes.config,
  );
  const manifest: Manifest = {
    schemaVersion: 2,
    mediaType: mediaTypes.manifest,
    config: config.descriptor,
    layers: layers.map((layer) => layer.descriptor),
  };
  const document = testBlob(JSON.stringify(manifest), mediaTypes.manifest);
  return { blobs: [config, ...layers], documents: [document], descriptor: { ...document.descriptor, platform } };
}

/** An index of images, in their order. */
export function testIndex(images: readonly TestImage[]): TestImage {
  const index: Index = {
    schemaVersion: 2,
    mediaType: mediaTypes.index,
    manifests: images.map((image) => image.descriptor),
  };
  const document = testBlob(JSON.stringify(index), mediaTypes.index);
  return {
    blobs: images.flatMap((image) => image.blobs),
    documents: [...images.flatMap((image) => image.documents), document],
    descriptor: document.descriptor,
  };
}

/** An image with layers of seeded bytes, `sizes` long. */
export function randomImage(
  options: TestImageOptions & {
    readonly sizes?: readonly number[] | undefined;
    readonly seed?: number | undefined;
  } = {},
): TestImage {
  const sizes = options.sizes ?? [2_000, 30_000];
  const layers = sizes.map((size, at) =>
    testLayer([{ name: `layer-${at}`, data: seededBytes(size, (options.seed ?? 1) + at) }]),
  );
  return testImage(layers, options);
}

/** Pushes an image the way a client does: blobs, then documents, the top one under the tag. */
export async function pushImage(
  registry: Registry,
  repo: RepoName | string,
  image: TestImage,
  tag?: Tag | string,
): Promise<Descriptor> {
  const name = parseRepoName(repo);
  for (const { descriptor, bytes } of image.blobs)
    await registry.pushBlob(name, descriptor, bytesSource(descriptor, bytes));
  for (const [at, { descriptor, bytes }] of image.documents.entries()) {
    const top = at === image.documents.length - 1;
    await registry.pushManifest(name, bytes, descriptor.mediaType, top && tag ? { tags: [parseTag(tag)] } : {});
  }
  return image.descriptor;
}
