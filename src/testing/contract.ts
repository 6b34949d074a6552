import assert from "node:assert/strict";
import { readdirSync, readlinkSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { ErrorCode } from "../base/codes.ts";
import { isGantryError } from "../base/error.ts";
import { bytesBody, bytesSource } from "../content/source.ts";
import { parseRepoName, parseTag } from "../reference/reference.ts";
import { providerOf } from "../registry/provider.ts";
import type { Registry } from "../registry/registry.ts";
import { type Digest, digestOf, parseDigest } from "../spec/digest.ts";
import { mediaTypes } from "../spec/media-types.ts";
import { pushImage, randomImage, seededBytes, testBlob, testIndex } from "./images.ts";

/** What an implementation cannot do. The suite asserts that it says so. */
export interface RegistryCapabilities {
  readonly delete?: boolean | undefined;
  readonly upload?: boolean | undefined;
  readonly referrers?: boolean | undefined;
  readonly repositories?: boolean | undefined;
  /** Whether blobs of one repository are unknown in another. */
  readonly isolated?: boolean | undefined;
  /** What stands before the names of repositories where they are listed: a store adds the host. */
  readonly prefix?: string | undefined;
}

export interface ContractCase {
  readonly name: string;
  run(registry: Registry): Promise<void>;
}

const repo = parseRepoName("contract/one");
const other = parseRepoName("contract/two");
const absent = parseDigest(`sha256:${"0".repeat(64)}`);
const source = (blob: ReturnType<typeof testBlob>) => bytesSource(blob.descriptor, blob.bytes);

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

/** Asserts that the work fails with one of the codes. */
export async function rejects(work: Promise<unknown> | (() => Promise<unknown>), ...codes: ErrorCode[]): Promise<void> {
  try {
    await (typeof work === "function" ? work() : work);
  } catch (error) {
    assert.ok(isGantryError(error, ...codes), `expected ${codes.join(" or ")}, got ${error}`);
    return;
  }
  assert.fail(`expected ${codes.join(" or ")}, but it succeeded`);
}

/**
 * What every registry must do, whatever it is made of. Run each case on a fresh, empty one:
 * `for (const { name, run } of registryContract()) test(name, () => withoutLeaks(async () => run(await make())))`.
 */
export function registryContract(capabilities: RegistryCapabilities = {}): ContractCase[] {
  const can = {
    delete: true,
    upload: true,
    referrers: true,
    repositories: true,
    isolated: true,
    prefix: "",
    ...capabilities,
  };
  const cases: ContractCase[] = [];
  const add = (name: string, run: ContractCase["run"]): void => void cases.push({ name, run });

  add("a blob comes back as it was pushed, also in parts", async (registry) => {
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
  });

  add("iterating yields chunks that add up, and may stop early", async (registry) => {
    const blob = testBlob(seededBytes(2_500_000));
    await registry.pushBlob(repo, blob.descriptor, source(blob));
    const chunks = await all(await registry.getBlob(repo, blob.descriptor));
    assert.ok(Buffer.concat(chunks).equals(blob.bytes));
    for await (const chunk of await registry.getBlob(repo, blob.descriptor)) {
      assert.ok(chunk.length > 0);
      break;
    }
  });

  add("content is read once, and cancelled without being read", async (registry) => {
    const blob = testBlob(seededBytes(200_000));
    await registry.pushBlob(repo, blob.descriptor, source(blob));
    const content = await registry.getBlob(repo, blob.descriptor);
    await content.bytes();
    await rejects(content.bytes(), "CONTENT_USED");
    await (await registry.getBlob(repo, blob.descriptor)).cancel();
    await using unused = await registry.getBlob(repo, blob.descriptor);
    assert.equal(unused.descriptor.digest, blob.descriptor.digest);
  });

  add("an aborted read fails with the signal's own reason", async (registry) => {
    const blob = testBlob(seededBytes(2_500_000));
    await registry.pushBlob(repo, blob.descriptor, source(blob));
    const stop = new AbortController();
    const reason = new Error("enough");
    const content = await registry.getBlob(repo, blob.descriptor, { signal: stop.signal });
    const reading = content.pipe(() => stop.abort(reason), { signal: stop.signal });
    await assert.rejects(reading, (error) => error === reason);
  });

  add("a reader that throws stops the content with its own error", async (registry) => {
    const blob = testBlob(seededBytes(2_500_000));
    await registry.pushBlob(repo, blob.descriptor, source(blob));
    const content = await registry.getBlob(repo, blob.descriptor);
    const broken = new Error("disk full");
    const reading = content.pipe(() => {
      throw broken;
    });
    await assert.rejects(reading, (error) => error === broken);
  });

  add("an empty blob is a blob", async (registry) => {
    const blob = testBlob("");
    await registry.pushBlob(repo, blob.descriptor, source(blob));
    assert.equal((await (await registry.getBlob(repo, blob.descriptor)).bytes()).length, 0);
  });

  add("what is absent is unknown", async (registry) => {
    await pushImage(registry, repo, randomImage(), "v1");
    await rejects(registry.getBlob(repo, absent), "BLOB_UNKNOWN");
    await rejects(registry.resolveBlob(repo, absent), "BLOB_UNKNOWN");
    await rejects(registry.getManifest(repo, absent), "MANIFEST_UNKNOWN");
    await rejects(registry.getManifest(repo, parseTag("nope")), "MANIFEST_UNKNOWN");
    await rejects(registry.resolveManifest(repo, parseTag("nope")), "MANIFEST_UNKNOWN");
    await rejects(registry.mountBlob(repo, other, absent), "BLOB_UNKNOWN", "UNSUPPORTED");
  });

  add("what cannot be verified is neither read nor taken", async (registry) => {
    const blob = testBlob(seededBytes(300));
    const unknown = { ...blob, descriptor: { ...blob.descriptor, digest: "blake3:abc" as Digest } };
    await rejects(registry.getBlob(repo, unknown.descriptor), "UNSUPPORTED_ALGORITHM");
    await rejects(registry.getBlob(repo, unknown.descriptor.digest), "UNSUPPORTED_ALGORITHM");
    await rejects(registry.pushBlob(repo, unknown.descriptor, source(unknown)), "UNSUPPORTED_ALGORITHM");
    const manifest = { ...unknown.descriptor, mediaType: mediaTypes.manifest };
    await rejects(() => providerOf(registry, repo).read(manifest), "UNSUPPORTED_ALGORITHM");
  });

  add("wrong bytes are refused and not kept", async (registry) => {
    const good = testBlob(seededBytes(5_000));
    const bad = { ...good, bytes: seededBytes(5_000, 7) };
    await rejects(registry.pushBlob(repo, good.descriptor, source(bad)), "DIGEST_MISMATCH");
    const short = { ...good, bytes: good.bytes.subarray(1) };
    await rejects(registry.pushBlob(repo, good.descriptor, source(short)), "SIZE_MISMATCH");
    await rejects(registry.resolveBlob(repo, good.descriptor.digest), "BLOB_UNKNOWN");
  });

  add("a manifest is kept byte for byte, by tag and by digest", async (registry) => {
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
  });

  add("a reader that is slow gets every chunk after the one before", async (registry) => {
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
  });

  add("an upload that has ended takes no more bytes", async (registry) => {
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
  });

  add("a manifest may be known by its sha512", async (registry) => {
    const image = randomImage();
    await pushImage(registry, repo, image);
    const { bytes, descriptor } = image.documents[0]!;
    const digest = digestOf(bytes, "sha512");
    assert.equal((await registry.pushManifest(repo, bytes, descriptor.mediaType, { digest })).digest, digest);
    assert.ok((await registry.getManifest(repo, digest)).bytes.equals(bytes));
    await rejects(registry.pushManifest(repo, bytes, descriptor.mediaType, { digest: absent }), "DIGEST_MISMATCH");
  });

  add("a tag moves", async (registry) => {
    await pushImage(registry, repo, randomImage({ seed: 1 }), "v1");
    const second = await pushImage(registry, repo, randomImage({ seed: 50 }), "v1");
    assert.equal((await registry.resolveManifest(repo, parseTag("v1"))).digest, second.digest);
    assert.deepEqual(await all(registry.tags(repo)), ["v1"]);
  });

  add("a manifest whose children are missing is refused", async (registry) => {
    const image = randomImage();
    const { bytes, descriptor } = image.documents[0]!;
    await rejects(
      registry.pushManifest(repo, bytes, descriptor.mediaType, { tags: [parseTag("v1")] }),
      "MANIFEST_BLOB_UNKNOWN",
    );
    await rejects(registry.resolveManifest(repo, parseTag("v1")), "MANIFEST_UNKNOWN");
  });

  add("an index leads to its images", async (registry) => {
    const image = testIndex([
      randomImage({ seed: 3 }),
      randomImage({ seed: 9, platform: { os: "linux", architecture: "arm64" } }),
    ]);
    await pushImage(registry, repo, image, "multi");
    assert.equal((await registry.getManifest(repo, parseTag("multi"))).descriptor.mediaType, mediaTypes.index);
    for (const { descriptor, bytes } of image.documents) {
      assert.ok((await registry.getManifest(repo, descriptor.digest)).bytes.equals(bytes));
    }
  });

  add("tags come in the order of their bytes", async (registry) => {
    const image = randomImage();
    for (const tag of ["b", "a", "v10", "v9", "B"]) await pushImage(registry, repo, image, tag);
    assert.deepEqual(await all(registry.tags(repo)), ["B", "a", "b", "v10", "v9"]);
    await rejects(all(registry.tags(parseRepoName("contract/none"))), "NAME_UNKNOWN");
  });

  add("repositories are listed", async (registry) => {
    if (!can.repositories) return rejects(all(registry.repositories()), "UNSUPPORTED");
    await pushImage(registry, other, randomImage(), "v1");
    await pushImage(registry, repo, randomImage(), "v1");
    assert.deepEqual(await all(registry.repositories()), [`${can.prefix}${repo}`, `${can.prefix}${other}`]);
  });

  add("an upload takes bytes piece by piece and is committed under their digest", async (registry) => {
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
  });

  add("an upload under a wrong digest is refused and not kept", async (registry) => {
    if (!can.upload) return rejects(registry.openUpload(repo), "UNSUPPORTED");
    const upload = await registry.openUpload(repo);
    await upload.append(bytesBody(Buffer.from("something")));
    await rejects(upload.commit(absent), "DIGEST_MISMATCH");
    await rejects(registry.resolveBlob(repo, absent), "BLOB_UNKNOWN");
    const second = await registry.openUpload(repo);
    await second.cancel();
    await rejects(registry.openUpload(repo, { session: second.session }), "BLOB_UPLOAD_UNKNOWN");
  });

  add("a blob is mounted from another repository", async (registry) => {
    const blob = testBlob(seededBytes(4_000));
    await registry.pushBlob(repo, blob.descriptor, source(blob));
    if (can.isolated) await rejects(registry.resolveBlob(other, blob.descriptor.digest), "BLOB_UNKNOWN");
    assert.equal((await registry.mountBlob(repo, other, blob.descriptor.digest)).size, blob.bytes.length);
    assert.ok((await (await registry.getBlob(other, blob.descriptor)).bytes()).equals(blob.bytes));
  });

  add("tags, manifests and blobs are deleted", async (registry) => {
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
  });

  add("referrers are found by their subject and filtered by type", async (registry) => {
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
  });

  return cases;
}

/** libsql closes a database when the garbage collector comes by, and not when it is told to. */
const isDatabase = (path: string): boolean => /\/names\.db(?:-wal|-shm)?(?: \(deleted\))?$/.test(path);

/** Open files and sockets of this process, as the kernel sees them; nothing where there is no /proc. */
function openDescriptors(): number {
  try {
    return readdirSync("/proc/self/fd").filter((fd) => {
      try {
        const target = readlinkSync(`/proc/self/fd/${fd}`);
        return (
          target.startsWith("socket:") ||
          (target.startsWith("/") && !/^\/(?:dev|proc)\//.test(target) && !isDatabase(target))
        );
      } catch {
        return false;
      }
    }).length;
  } catch {
    return 0;
  }
}

/** Runs `work`, which closes what it opened, and asserts that no file and no socket is left open. */
export async function withoutLeaks(work: () => Promise<void>): Promise<void> {
  const before = openDescriptors();
  await work();
  for (let tries = 0; openDescriptors() > before && tries < 100; tries += 1) await sleep(20);
  assert.ok(openDescriptors() <= before, `${openDescriptors() - before} files or sockets were left open`);
}
