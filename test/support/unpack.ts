import { join } from "node:path";
import { manifestForPlatform } from "../../src/images/index.ts";
import { type ApplyReport, type UnpackOptions, unpackImage } from "../../src/layer/index.ts";
import { parseRepoName } from "../../src/reference/index.ts";
import { MemoryRegistry, providerOf } from "../../src/registry/index.ts";
import type { TarEntry } from "../../src/tar/index.ts";
import { pushImage, testImage, testLayer } from "../../src/testing/index.ts";

/** Unpacks an image of these layers (entries, or the bytes of an archive) to `work/rootfs`. */
export async function unpackLayers(
  work: string,
  layers: readonly (readonly TarEntry[] | Buffer)[],
  options: UnpackOptions = {},
): Promise<{ rootfs: string; report: ApplyReport }> {
  const registry = new MemoryRegistry();
  const repo = parseRepoName("image");
  const image = testImage(layers.map((layer) => testLayer(layer as TarEntry[] | Buffer)));
  const provider = providerOf(registry, repo);
  const rootfs = join(work, "rootfs");
  await pushImage(registry, repo, image);
  const resolved = await manifestForPlatform(provider, image.descriptor);
  return { rootfs, report: await unpackImage({ ...resolved, provider }, rootfs, { workers: 0, ...options }) };
}
