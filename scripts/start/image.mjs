// Builds an image and pushes it to a registry as a stream, so no layer has to fit into memory.
import { createHash } from "node:crypto";
import { lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import { bytesSource } from "../../dist/content/index.js";
import { parseRepoName, parseTag } from "../../dist/reference/index.js";
import { digestOf, mediaTypes } from "../../dist/spec/index.js";
import { encodeEntry } from "../../dist/tar/index.js";

/** Two blocks of zeros end an archive. */
const endOfTar = Buffer.alloc(1024);

/** A directory of the disk as entries of an archive, in the order of their names. */
export function* entriesOf(directory, name) {
  const stat = lstatSync(directory);
  const entry = { name, mode: stat.mode & 0o7777, mtime: Math.floor(stat.mtimeMs / 1000) };
  if (stat.isSymbolicLink()) yield { ...entry, type: "symlink", linkname: readlinkSync(directory) };
  else if (stat.isFile()) yield { ...entry, data: readFileSync(directory) };
  else if (stat.isDirectory()) {
    yield { ...entry, type: "directory" };
    for (const child of readdirSync(directory).sort()) yield* entriesOf(join(directory, child), `${name}/${child}`);
  }
}

/** Archives, compresses and uploads entries at the same time. @returns the layer's descriptor and its diffID */
export async function pushLayer(registry, repo, entries) {
  const diffHash = createHash("sha256");
  const blobHash = createHash("sha256");
  let size = 0;
  function* archive() {
    for (const entry of entries) {
      const bytes = encodeEntry(entry);
      diffHash.update(bytes);
      yield bytes;
    }
    diffHash.update(endOfTar);
    yield endOfTar;
  }
  const upload = await registry.openUpload(repo);
  await upload.append({
    pump: (write) =>
      pipeline(archive, createGzip({ level: 1, chunkSize: 256 << 10 }), async (compressed) => {
        for await (const chunk of compressed) {
          blobHash.update(chunk);
          size += chunk.length;
          await write(chunk);
        }
      }),
    async close() {},
  });
  const digest = `sha256:${blobHash.digest("hex")}`;
  await upload.commit(digest);
  return {
    descriptor: { mediaType: mediaTypes.layerGzip, digest, size },
    diffID: `sha256:${diffHash.digest("hex")}`,
  };
}

/** Pushes a small blob and returns its descriptor. */
export async function pushBlob(registry, repo, mediaType, value) {
  const bytes = Buffer.from(JSON.stringify(value));
  const descriptor = { mediaType, digest: digestOf(bytes), size: bytes.length };
  await registry.pushBlob(repo, descriptor, bytesSource(descriptor, bytes));
  return descriptor;
}

export async function pushDocument(registry, repo, document, tags) {
  return registry.pushManifest(repo, Buffer.from(JSON.stringify(document)), document.mediaType, { tags });
}

/**
 * Pushes an image for several platforms. Layers are generators of entries: each image has the `shared` ones, and one that
 * `own` makes for its architecture.
 */
export async function pushImage(registry, name, { shared, own, architectures, config, tag }) {
  const repo = parseRepoName(name);
  const common = [];
  for (const entries of shared) common.push(await pushLayer(registry, repo, entries));
  const manifests = [];
  for (const architecture of architectures) {
    const last = await pushLayer(registry, repo, own(architecture));
    const all = [...common, last];
    const platform = { os: "linux", architecture };
    const rootfs = { type: "layers", diff_ids: all.map(({ diffID }) => diffID) };
    const manifest = {
      schemaVersion: 2,
      mediaType: mediaTypes.manifest,
      config: await pushBlob(registry, repo, mediaTypes.config, { ...platform, config, rootfs }),
      layers: all.map(({ descriptor }) => descriptor),
    };
    manifests.push({ ...(await pushDocument(registry, repo, manifest)), platform });
  }
  const index = { schemaVersion: 2, mediaType: mediaTypes.index, manifests };
  await pushDocument(registry, repo, index, [parseTag(tag)]);
}
