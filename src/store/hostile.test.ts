import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { temporary } from "../../test/support/temporary.ts";
import { bytesSource } from "../content/index.ts";
import { parseRepoName } from "../reference/index.ts";
import { mediaTypes } from "../spec/index.ts";
import { pushImage, rejects, seededBytes, testBlob, testImage, testLayer } from "../testing/index.ts";
import { unpack } from "../verbs/index.ts";
import { Store } from "./index.ts";

describe("a hostile image in a store", () => {
  test("M10 only digests that we computed name anything: a claimed diffID or annotation poisons no later image", async () => {
    const work = await temporary();
    const store = new Store(join(work, "store"));
    const good = testLayer([{ name: "file", data: Buffer.from("good") }]);
    const evil = testLayer([{ name: "file", data: Buffer.from("evil") }]);
    // Bytes under a digest that is not theirs never get its name.
    const repo = parseRepoName("reg.example.org/app");
    const lie = { ...evil.descriptor, digest: good.descriptor.digest, size: evil.bytes.length };
    await rejects(store.registry.pushBlob(repo, lie, bytesSource(lie, evil.bytes)), "DIGEST_MISMATCH");
    expect(await store.blobs.has({ digest: good.descriptor.digest })).toBe(false);
    // An image that says that its layer is another one's, in its config and in annotations that others believe.
    const claims = {
      "containerd.io/uncompressed": good.diffID,
      "io.github.containers.zstd-chunked.manifest-checksum": good.descriptor.digest,
      "containerd.io/snapshot/stargz/toc.digest": good.diffID,
    };
    const liar = testImage([{ ...evil, descriptor: { ...evil.descriptor, annotations: claims } }], {
      diffIDs: [good.diffID],
    });
    await pushImage(store.registry, repo, liar, "liar");
    await rejects(unpack("store:reg.example.org/app:liar", join(work, "liar"), { store }), "DIFF_ID_MISMATCH");
    expect(readdirSync(join(store.directory, "layers"))).toEqual([]);
    // The image whose layer it claimed to have is none the worse.
    await pushImage(store.registry, repo, testImage([good]), "good");
    await unpack("store:reg.example.org/app:good", join(work, "good"), { store });
    expect(readFileSync(join(work, "good/file"), "utf8")).toBe("good");
    // A truthful diffID among lying annotations is all that counts.
    const honest = testImage([{ ...evil, descriptor: { ...evil.descriptor, annotations: claims } }]);
    await pushImage(store.registry, repo, honest, "honest");
    await unpack("store:reg.example.org/app:honest", join(work, "honest"), { store });
    expect(readFileSync(join(work, "honest/file"), "utf8")).toBe("evil");
    // And a collection marks by what blobs are, not by what is claimed of them.
    const stray = testBlob(seededBytes(64, 8), mediaTypes.layer);
    await store.registry.pushBlob(repo, stray.descriptor, bytesSource(stray.descriptor, stray.bytes));
    await store.registry.release();
    expect((await store.gc()).blobs.map(({ digest }) => digest)).toEqual([stray.descriptor.digest]);
    await store.close();
  });
});
