import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { parseTag } from "../reference/reference.ts";
import { providerOf } from "../registry/provider.ts";
import { type Digest, digestOf } from "../spec/digest.ts";
import { mediaTypes } from "../spec/media-types.ts";
import { absent, all, type ContractCase, other, rejects, repo, source } from "./contract-case.ts";
import { pushImage, randomImage, seededBytes, testBlob, testIndex } from "./images.ts";

/** A reader returns the pushed bytes, and stops when its caller stops. */
export function readerCases(): readonly ContractCase[] {
  return [
    {
      name: "a blob is read byte for byte, whole and in ranges",
      async run(registry) {
        const blob = testBlob(seededBytes(300_000));
        assert.deepEqual(await registry.pushBlob(repo, blob.descriptor, source(blob)), blob.descriptor);
        const content = await registry.getBlob(repo, blob.descriptor);
        assert.ok((await content.bytes()).equals(blob.bytes));
        const byDigest = await registry.getBlob(repo, blob.descriptor.digest);
        assert.ok((await byDigest.bytes()).equals(blob.bytes));
        assert.equal((await registry.resolveBlob(repo, blob.descriptor.digest)).size, blob.bytes.length);
        const range = await registry.getBlobRange(repo, blob.descriptor, { start: 1000, end: 2500 });
        const chunks: Buffer[] = [];
        await range.pump((chunk) => void chunks.push(Buffer.from(chunk)));
        await range.close();
        assert.ok(Buffer.concat(chunks).equals(blob.bytes.subarray(1000, 2500)));
      },
    },
    {
      name: "iteration yields all chunks, and may stop early",
      async run(registry) {
        const blob = testBlob(seededBytes(2_500_000));
        await registry.pushBlob(repo, blob.descriptor, source(blob));
        const chunks = await all(await registry.getBlob(repo, blob.descriptor));
        assert.ok(Buffer.concat(chunks).equals(blob.bytes));
        for await (const chunk of await registry.getBlob(repo, blob.descriptor)) {
          assert.ok(chunk.length > 0);
          break;
        }
      },
    },
    {
      name: "content is read only once, and may be cancelled unread",
      async run(registry) {
        const blob = testBlob(seededBytes(200_000));
        await registry.pushBlob(repo, blob.descriptor, source(blob));
        const content = await registry.getBlob(repo, blob.descriptor);
        await content.bytes();
        await rejects(content.bytes(), "CONTENT_USED");
        await (await registry.getBlob(repo, blob.descriptor)).cancel();
        await using unused = await registry.getBlob(repo, blob.descriptor);
        assert.equal(unused.descriptor.digest, blob.descriptor.digest);
      },
    },
    {
      name: "an aborted read fails with the signal's own reason",
      async run(registry) {
        const blob = testBlob(seededBytes(2_500_000));
        await registry.pushBlob(repo, blob.descriptor, source(blob));
        const stop = new AbortController();
        const reason = new Error("enough");
        const content = await registry.getBlob(repo, blob.descriptor, { signal: stop.signal });
        const reading = content.pipe(() => stop.abort(reason), { signal: stop.signal });
        await assert.rejects(reading, (error) => error === reason);
      },
    },
    {
      name: "a chunk writer that throws ends the reading with its own error",
      async run(registry) {
        const blob = testBlob(seededBytes(2_500_000));
        await registry.pushBlob(repo, blob.descriptor, source(blob));
        const content = await registry.getBlob(repo, blob.descriptor);
        const broken = new Error("disk full");
        const reading = content.pipe(() => {
          throw broken;
        });
        await assert.rejects(reading, (error) => error === broken);
      },
    },
    {
      name: "an empty blob is pushed and read",
      async run(registry) {
        const blob = testBlob("");
        await registry.pushBlob(repo, blob.descriptor, source(blob));
        assert.equal((await (await registry.getBlob(repo, blob.descriptor)).bytes()).length, 0);
      },
    },
    {
      name: "missing blobs and manifests are unknown",
      async run(registry) {
        await pushImage(registry, repo, randomImage(), "v1");
        await rejects(registry.getBlob(repo, absent), "BLOB_UNKNOWN");
        await rejects(registry.resolveBlob(repo, absent), "BLOB_UNKNOWN");
        await rejects(registry.getManifest(repo, absent), "MANIFEST_UNKNOWN");
        await rejects(registry.getManifest(repo, parseTag("nope")), "MANIFEST_UNKNOWN");
        await rejects(registry.resolveManifest(repo, parseTag("nope")), "MANIFEST_UNKNOWN");
        await rejects(registry.mountBlob(repo, other, absent), "BLOB_UNKNOWN", "UNSUPPORTED");
      },
    },
    {
      name: "blobs of an unknown digest algorithm are neither read nor pushed",
      async run(registry) {
        const blob = testBlob(seededBytes(300));
        const unknown = { ...blob, descriptor: { ...blob.descriptor, digest: "blake3:abc" as Digest } };
        await rejects(registry.getBlob(repo, unknown.descriptor), "UNSUPPORTED_ALGORITHM");
        await rejects(registry.getBlob(repo, unknown.descriptor.digest), "UNSUPPORTED_ALGORITHM");
        await rejects(registry.pushBlob(repo, unknown.descriptor, source(unknown)), "UNSUPPORTED_ALGORITHM");
        const manifest = { ...unknown.descriptor, mediaType: mediaTypes.manifest };
        await rejects(() => providerOf(registry, repo).read(manifest), "UNSUPPORTED_ALGORITHM");
      },
    },
    {
      name: "a manifest is kept byte for byte, by tag and by digest",
      async run(registry) {
        const image = randomImage();
        await pushImage(registry, repo, image, "v1");
        const { bytes } = image.documents[0]!;
        for (const reference of [parseTag("v1"), image.descriptor.digest]) {
          const stored = await registry.getManifest(repo, reference);
          assert.ok(stored.bytes.equals(bytes));
          assert.equal(stored.descriptor.mediaType, mediaTypes.manifest);
          const resolved = await registry.resolveManifest(repo, reference);
          assert.deepEqual(resolved, { mediaType: mediaTypes.manifest, digest: digestOf(bytes), size: bytes.length });
        }
      },
    },
    {
      name: "a slow chunk writer gets one chunk at a time",
      async run(registry) {
        const blob = testBlob(seededBytes(700_000));
        await registry.pushBlob(repo, blob.descriptor, source(blob));
        const chunks: Buffer[] = [];
        let busy = 0;
        let most = 0;
        await (await registry.getBlob(repo, blob.descriptor)).pipe(async (chunk) => {
          busy += 1;
          most = Math.max(most, busy);
          await sleep(5);
          chunks.push(Buffer.from(chunk));
          busy -= 1;
        });
        assert.equal(most, 1);
        assert.ok(Buffer.concat(chunks).equals(blob.bytes));
      },
    },
    {
      name: "an index leads to its images",
      async run(registry) {
        const image = testIndex([
          randomImage({ seed: 3 }),
          randomImage({ seed: 9, platform: { os: "linux", architecture: "arm64" } }),
        ]);
        await pushImage(registry, repo, image, "multi");
        assert.equal((await registry.getManifest(repo, parseTag("multi"))).descriptor.mediaType, mediaTypes.index);
        for (const { descriptor, bytes } of image.documents) {
          assert.ok((await registry.getManifest(repo, descriptor.digest)).bytes.equals(bytes));
        }
      },
    },
  ];
}
