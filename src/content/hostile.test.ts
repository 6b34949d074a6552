import { symlinkSync, writeFileSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { temporary } from "../../test/support/temporary.ts";
import { unpackLayers } from "../../test/support/unpack.ts";
import { defaultLimits } from "../base/limits.ts";
import { parseRepoName, parseTag } from "../reference/index.ts";
import { LayoutRegistry, RemoteRegistry } from "../registry/index.ts";
import { digestOf, hexOf } from "../spec/index.ts";
import { native } from "../sys/native.ts";
import { encodeTar } from "../tar/index.ts";
import { pushImage, randomImage, rejects, seededBytes, startTestRegistry, testBlob } from "../testing/index.ts";
import { BlobDirectory, bytesContent, Content, iterableBody } from "./index.ts";

const repo = parseRepoName("app");

describe("hostile content", () => {
  test("M3 other bytes for a pinned digest are refused, whatever the headers say", async () => {
    const [image, other] = [randomImage({ seed: 1 }), randomImage({ seed: 40 })];
    await using server = await startTestRegistry();
    await pushImage(server.registry, repo, image, "v1");
    await pushImage(server.registry, repo, other, "v2");
    const remote = new RemoteRegistry(server.host, { backoff: 1 });
    server.faults = [
      { on: { kind: "replace", body: other.documents[0]!.bytes }, path: /manifests\/sha256/, method: "GET" },
    ];
    // Docker-Content-Digest still names the requested digest: it is no proof.
    await rejects(remote.getManifest(repo, image.descriptor.digest), "DIGEST_MISMATCH");
    server.faults = [
      { on: { kind: "replace", body: seededBytes(image.blobs[1]!.bytes.length) }, path: /blobs/, method: "GET" },
    ];
    await rejects(
      remote.getBlob(repo, image.blobs[1]!.descriptor).then((content) => content.bytes()),
      "DIGEST_MISMATCH",
    );
    await remote.close();
  });

  test("M5 absurd sizes and endless bodies end early", async () => {
    const blob = testBlob(seededBytes(1000));
    let sent = 0;
    function* endless(): Generator<Buffer> {
      for (;;) {
        sent += 1;
        yield Buffer.alloc(400);
      }
    }
    const received: number[] = [];
    const content = new Content(blob.descriptor, iterableBody(endless()), { what: "blob" });
    await rejects(
      content.pipe((chunk) => void received.push(chunk.byteLength)),
      "SIZE_MISMATCH",
    );
    expect(sent).toBe(3);
    expect(received).toEqual([400, 400]);
    const unsized = new Content({ digest: blob.descriptor.digest }, iterableBody(endless()), {
      what: "blob",
      limits: { ...defaultLimits, unsizedBlobBytes: 10_000 },
    });
    await rejects(
      unsized.pipe(() => {}),
      "LIMIT_EXCEEDED",
    );
    await using server = await startTestRegistry();
    await pushImage(server.registry, repo, randomImage(), "v1");
    server.faults = [{ on: { kind: "replace", body: Buffer.alloc(5 << 20, "x") }, path: /manifests/, method: "GET" }];
    const remote = new RemoteRegistry(server.host, { backoff: 1 });
    await rejects(remote.getManifest(repo, parseTag("v1")), "LIMIT_EXCEEDED");
    await remote.close();
  });

  test("M6 bytes after the end of an archive or a gzip member are hashed and otherwise ignored", async () => {
    const work = await temporary();
    const hidden = encodeTar([{ name: "hidden", data: "h" }]);
    const tar = Buffer.concat([encodeTar([{ name: "shown", data: "s" }]), hidden]);
    const { rootfs, report } = await unpackLayers(work, [tar]);
    expect(report.entries).toBe(1);
    const { readdirSync } = await import("node:fs");
    expect(readdirSync(rootfs)).toEqual(["shown"]);
    // The same blob cut after the archive's end does not have the digest, although every entry is there.
    const gz = gzipSync(tar);
    const whole = testBlob(gz);
    await rejects(bytesContent(whole.descriptor, gz.subarray(0, -8), "layer").bytes(), "SIZE_MISMATCH");
    // A reader that stops early has proved nothing: the last chunk is withheld until the digest is known.
    const wrong = bytesContent({ ...whole.descriptor, digest: digestOf("other") }, gz, "layer");
    const got: number[] = [];
    await rejects(
      wrong.pipe((chunk) => void got.push(chunk.byteLength)),
      "DIGEST_MISMATCH",
    );
    expect(got.reduce((sum, length) => sum + length, 0)).toBeLessThan(gz.length);
  });

  test("M12 a link, a device or a fifo among the blobs of a layout is not followed", async () => {
    const work = await temporary();
    const layout = join(work, "layout");
    const image = randomImage();
    const registry = new LayoutRegistry(layout, { create: true });
    await pushImage(registry, registry.defaultRepository, image, "v1");
    const blob = image.blobs[1]!;
    const path = join(layout, "blobs/sha256", hexOf(blob.descriptor.digest));
    writeFileSync(join(work, "outside"), blob.bytes);
    const read = (): Promise<unknown> => new BlobDirectory(layout).read(blob.descriptor);
    await rm(path);
    symlinkSync(join(work, "outside"), path);
    await rejects(read(), "NOT_REGULAR_FILE");
    await rm(path);
    native().mknod(path, 0o010644, 0, 0);
    await rejects(read(), "NOT_REGULAR_FILE");
    await rm(path);
    await mkdir(path);
    await rejects(read(), "NOT_REGULAR_FILE");
    await rm(join(layout, "blobs"), { recursive: true });
    await mkdir(join(work, "elsewhere/sha256"), { recursive: true });
    writeFileSync(join(work, "elsewhere/sha256", hexOf(blob.descriptor.digest)), blob.bytes);
    symlinkSync(join(work, "elsewhere"), join(layout, "blobs"));
    await rejects(read(), "NOT_REGULAR_FILE");
    await registry.close();
  });
});
