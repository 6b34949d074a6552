import { bytesContent, type Provider } from "../content/source.ts";
import type { RepoName } from "../reference/reference.ts";
import { algorithmOf } from "../spec/digest.ts";
import { isIndexType, isManifestType, isSchema1Type } from "../spec/media-types.ts";
import type { RegistryReader } from "./registry.ts";

/** One repository as the `Provider` of an image graph: it reads documents as manifests and everything else as blobs. */
export function providerOf(registry: RegistryReader, repo: RepoName): Provider {
  return {
    async read(descriptor, options) {
      algorithmOf(descriptor.digest);
      const type = descriptor.mediaType ?? "";
      if (!isIndexType(type) && !isManifestType(type) && !isSchema1Type(type)) {
        return registry.getBlob(repo, descriptor, options);
      }
      const { bytes } = await registry.getManifest(repo, descriptor.digest, options);
      return bytesContent(descriptor, bytes, `manifest ${descriptor.digest} of ${registry.name}/${repo}`);
    },
  };
}
