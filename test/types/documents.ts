// Documents, the graph that they make, and layers.
import { iterableBody, type Provider } from "gantry/content";
import {
  chainIDs,
  childrenHandler,
  type Handler,
  handlers,
  Image,
  manifestForPlatform,
  parsePlatform,
  walk,
} from "gantry/images";
import { parseWhiteout, type UnpackOptions, unpackImage } from "gantry/layer";
import {
  type Descriptor,
  type Document,
  decodeDocument,
  editImage,
  encodeManifest,
  type Image as ImageConfiguration,
  layerCompression,
  type Manifest,
  mediaTypes,
  type Platform,
  type Violation,
  validateManifest,
} from "gantry/spec";
import { encodeTar, type TarEntry, TarReader } from "gantry/tar";

export function read(bytes: Uint8Array, mediaType: string | undefined): Manifest | undefined {
  const document: Document = decodeDocument(bytes, mediaType);
  if (document.kind === "index") {
    const manifests: readonly Descriptor[] = document.index.manifests;
    // @ts-expect-error: an index is no manifest.
    document.manifest;
    console.log(manifests);
    return undefined;
  }
  const violations: readonly Violation[] = validateManifest(bytes);
  const written: Buffer = encodeManifest(document.manifest);
  const changed: Buffer = editImage(bytes, (image: ImageConfiguration) => ({ ...image, author: undefined }));
  console.log(violations, written, changed, layerCompression(mediaTypes.layerGzip));
  return document.manifest;
}

export async function graph(provider: Provider, root: Descriptor, platform: Platform | undefined): Promise<number> {
  let bytes = 0;
  const count: Handler = ({ size }) => {
    bytes += size;
    return [];
  };
  await walk(handlers(count, childrenHandler(provider, { platforms: platform && [platform] })), root);
  const image = new Image(provider, root, { platform: platform ?? parsePlatform("linux/arm64/v8") });
  console.log(await image.config(), chainIDs(await image.rootFS()));
  const resolved = await manifestForPlatform(provider, root, { platform });
  const options: UnpackOptions = { workers: 0, progress: undefined, strict: undefined };
  const { entries, warnings } = await unpackImage({ ...resolved, provider }, "rootfs", options);
  return bytes + entries + warnings.length;
}

export function archive(data: Uint8Array | undefined): Buffer {
  const entries: readonly TarEntry[] = [{ name: "bin/sh", data, mode: 0o755, xattrs: undefined, mtime: undefined }];
  console.log(parseWhiteout, TarReader, iterableBody);
  return encodeTar(entries);
}
