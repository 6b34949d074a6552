import assert from "node:assert/strict";
import { parseTag } from "../reference/reference.ts";
import { type Abilities, type ContractCase, rejects, repo } from "./contract-case.ts";
import { pushImage, randomImage } from "./images.ts";

/** Deleted content is unknown, and everything else still exists. */
export function deleterCases(can: Abilities): readonly ContractCase[] {
  return [
    {
      name: "tags, manifests and blobs are deleted",
      async run(registry) {
        const image = randomImage();
        await pushImage(registry, repo, image, "v1");
        const { digest } = image.descriptor;
        if (!can.delete) return rejects(registry.deleteManifest(repo, digest), "UNSUPPORTED");
        await registry.deleteTag(repo, parseTag("v1"));
        await rejects(registry.resolveManifest(repo, parseTag("v1")), "MANIFEST_UNKNOWN");
        assert.equal((await registry.resolveManifest(repo, digest)).digest, digest);
        await rejects(registry.deleteTag(repo, parseTag("v1")), "MANIFEST_UNKNOWN");
        await registry.deleteManifest(repo, digest);
        await rejects(registry.getManifest(repo, digest), "MANIFEST_UNKNOWN");
        const blob = image.blobs[1]!.descriptor.digest;
        await registry.deleteBlob(repo, blob);
        await rejects(registry.resolveBlob(repo, blob), "BLOB_UNKNOWN");
      },
    },
  ];
}
