import assert from "node:assert/strict";
import { bytesBody } from "../content/source.ts";
import { parseTag } from "../reference/reference.ts";
import { digestOf } from "../spec/digest.ts";
import { type Abilities, absent, all, type ContractCase, other, rejects, repo, source } from "./contract-case.ts";
import { pushImage, randomImage, seededBytes, testBlob } from "./images.ts";

/** Pushed bytes are published only after they are verified. */
export function writerCases(can: Abilities): readonly ContractCase[] {
  return [
    {
      name: "wrong bytes are refused and not stored",
      async run(registry) {
        const good = testBlob(seededBytes(5_000));
        const bad = { ...good, bytes: seededBytes(5_000, 7) };
        await rejects(registry.pushBlob(repo, good.descriptor, source(bad)), "DIGEST_MISMATCH");
        const short = { ...good, bytes: good.bytes.subarray(1) };
        await rejects(registry.pushBlob(repo, good.descriptor, source(short)), "SIZE_MISMATCH");
        await rejects(registry.resolveBlob(repo, good.descriptor.digest), "BLOB_UNKNOWN");
      },
    },
    {
      name: "an upload that has ended takes no more bytes",
      async run(registry) {
        if (!can.upload) return rejects(registry.openUpload(repo), "UNSUPPORTED");
        const upload = await registry.openUpload(repo);
        await upload.append(bytesBody(Buffer.from("good")));
        const more = digestOf(Buffer.from("goodEVIL"));
        const late = async (): Promise<void> => upload.append(bytesBody(Buffer.from("EVIL")));
        const [committed] = await Promise.allSettled([upload.commit(more), late()]);
        if (committed.status === "fulfilled") {
          assert.equal((await (await registry.getBlob(repo, more)).bytes()).toString(), "goodEVIL");
        } else {
          await rejects(registry.resolveBlob(repo, more), "BLOB_UNKNOWN");
        }
      },
    },
    {
      name: "a manifest may be stored under its sha512",
      async run(registry) {
        const image = randomImage();
        await pushImage(registry, repo, image);
        const { bytes, descriptor } = image.documents[0]!;
        const digest = digestOf(bytes, "sha512");
        assert.equal((await registry.pushManifest(repo, bytes, descriptor.mediaType, { digest })).digest, digest);
        assert.ok((await registry.getManifest(repo, digest)).bytes.equals(bytes));
        await rejects(registry.pushManifest(repo, bytes, descriptor.mediaType, { digest: absent }), "DIGEST_MISMATCH");
      },
    },
    {
      name: "a tag moves",
      async run(registry) {
        await pushImage(registry, repo, randomImage({ seed: 1 }), "v1");
        const second = await pushImage(registry, repo, randomImage({ seed: 50 }), "v1");
        assert.equal((await registry.resolveManifest(repo, parseTag("v1"))).digest, second.digest);
        assert.deepEqual(await all(registry.tags(repo)), ["v1"]);
      },
    },
    {
      name: "a manifest whose children are missing is refused",
      async run(registry) {
        const image = randomImage();
        const { bytes, descriptor } = image.documents[0]!;
        await rejects(
          registry.pushManifest(repo, bytes, descriptor.mediaType, { tags: [parseTag("v1")] }),
          "MANIFEST_BLOB_UNKNOWN",
        );
        await rejects(registry.resolveManifest(repo, parseTag("v1")), "MANIFEST_UNKNOWN");
      },
    },
    {
      name: "an upload takes bytes piece by piece and is committed under their digest",
      async run(registry) {
        if (!can.upload) return rejects(registry.openUpload(repo), "UNSUPPORTED");
        const bytes = seededBytes(150_000);
        const upload = await registry.openUpload(repo);
        await upload.append(bytesBody(bytes.subarray(0, 70_000)), { size: 70_000 });
        assert.equal(upload.offset, 70_000);
        const again = await registry.openUpload(repo, { session: JSON.parse(JSON.stringify(upload.session)) });
        assert.equal(again.offset, 70_000);
        await again.append(bytesBody(bytes.subarray(70_000)));
        const descriptor = await again.commit(digestOf(bytes));
        assert.equal(descriptor.size, bytes.length);
        assert.ok((await (await registry.getBlob(repo, descriptor.digest)).bytes()).equals(bytes));
      },
    },
    {
      name: "an upload with a wrong digest is refused and not stored",
      async run(registry) {
        if (!can.upload) return rejects(registry.openUpload(repo), "UNSUPPORTED");
        const upload = await registry.openUpload(repo);
        await upload.append(bytesBody(Buffer.from("something")));
        await rejects(upload.commit(absent), "DIGEST_MISMATCH");
        await rejects(registry.resolveBlob(repo, absent), "BLOB_UNKNOWN");
        const second = await registry.openUpload(repo);
        await second.cancel();
        await rejects(registry.openUpload(repo, { session: second.session }), "BLOB_UPLOAD_UNKNOWN");
      },
    },
    {
      name: "a blob is mounted from another repository",
      async run(registry) {
        const blob = testBlob(seededBytes(4_000));
        await registry.pushBlob(repo, blob.descriptor, source(blob));
        if (can.isolated) await rejects(registry.resolveBlob(other, blob.descriptor.digest), "BLOB_UNKNOWN");
        assert.equal((await registry.mountBlob(repo, other, blob.descriptor.digest)).size, blob.bytes.length);
        assert.ok((await (await registry.getBlob(other, blob.descriptor)).bytes()).equals(blob.bytes));
      },
    },
  ];
}
