import assert from "node:assert/strict";
import { parseRepoName } from "../reference/reference.ts";
import { mediaTypes } from "../spec/media-types.ts";
import { type Abilities, absent, all, type ContractCase, other, rejects, repo, source } from "./contract-case.ts";
import { pushImage, randomImage, testBlob } from "./images.ts";

/** Lists are complete, and tags and repositories are in order. */
export function listerCases(can: Abilities): readonly ContractCase[] {
  return [
    {
      name: "tags are listed in byte order",
      async run(registry) {
        const image = randomImage();
        for (const tag of ["b", "a", "v10", "v9", "B"]) await pushImage(registry, repo, image, tag);
        assert.deepEqual(await all(registry.tags(repo)), ["B", "a", "b", "v10", "v9"]);
        await rejects(all(registry.tags(parseRepoName("contract/none"))), "NAME_UNKNOWN");
      },
    },
    {
      name: "repositories are listed",
      async run(registry) {
        if (!can.repositories) return rejects(all(registry.repositories()), "UNSUPPORTED");
        await pushImage(registry, other, randomImage(), "v1");
        await pushImage(registry, repo, randomImage(), "v1");
        assert.deepEqual(await all(registry.repositories()), [`${can.prefix}${repo}`, `${can.prefix}${other}`]);
      },
    },
    {
      name: "referrers are found by their subject and filtered by type",
      async run(registry) {
        const image = randomImage();
        const subject = await pushImage(registry, repo, image, "v1");
        if (!can.referrers) return rejects(all(registry.referrers(repo, subject.digest)), "UNSUPPORTED");
        const empty = testBlob("{}", mediaTypes.emptyJson);
        await registry.pushBlob(repo, empty.descriptor, source(empty));
        const { platform: _platform, ...plain } = subject;
        const artifact = testBlob(
          JSON.stringify({
            schemaVersion: 2,
            mediaType: mediaTypes.manifest,
            artifactType: "application/vnd.example",
            config: empty.descriptor,
            layers: [],
            subject: plain,
            annotations: { note: "n" },
          }),
        );
        await registry.pushManifest(repo, artifact.bytes, mediaTypes.manifest);
        const [found, ...more] = await all(registry.referrers(repo, subject.digest));
        assert.equal(more.length, 0);
        assert.equal(found?.digest, artifact.descriptor.digest);
        assert.equal(found?.artifactType, "application/vnd.example");
        assert.deepEqual(found?.annotations, { note: "n" });
        assert.equal(
          (await all(registry.referrers(repo, subject.digest, { artifactType: "application/other" }))).length,
          0,
        );
        assert.equal((await all(registry.referrers(repo, absent))).length, 0);
      },
    },
  ];
}
