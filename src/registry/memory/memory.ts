import { randomUUID } from "node:crypto";
import { withoutUndefined } from "../../base/defined.ts";
import { Content, type Expected } from "../../content/content.ts";
import { type BlobSource, bytesBody } from "../../content/source.ts";
import { requireDigest } from "../../content/verifier.ts";
import type { RepoName, Tag } from "../../reference/reference.ts";
import { algorithmOf, type Digest, digestOf, isDigest } from "../../spec/digest.ts";
import { mediaTypes } from "../../spec/media-types.ts";
import { summarizeManifest } from "../../spec/summary.ts";
import type { Descriptor } from "../../spec/types.ts";
import { expectedOf, manifestDigest } from "../expected.ts";
import { mountInstead } from "../mount.ts";
import {
  blobUnknown,
  manifestUnknown,
  missingChildren,
  repositoryUnknown,
  requireRange,
  uploadUnknown,
} from "../refusals.ts";
import type {
  BlobUpload,
  ByteRange,
  ListOptions,
  OpenUploadOptions,
  PushBlobOptions,
  PushManifestOptions,
  RangeContent,
  ReferrersOptions,
  Registry,
  StoredManifest,
  UploadSession,
} from "../registry.ts";
import { MemoryUpload } from "./upload.ts";

interface Repository {
  readonly blobs: Map<Digest, Buffer>;
  readonly manifests: Map<Digest, { readonly mediaType: string; readonly bytes: Buffer }>;
  readonly tags: Map<Tag, Digest>;
}

/** A registry in memory, for tests and for serving generated images. */
export class MemoryRegistry implements Registry {
  readonly name: string;
  readonly #repositories = new Map<RepoName, Repository>();
  readonly #uploads = new Map<string, MemoryUpload>();

  constructor(options: { readonly name?: string | undefined } = {}) {
    this.name = options.name ?? "memory";
  }

  #open(repo: RepoName): Repository {
    let found = this.#repositories.get(repo);
    if (!found) {
      found = { blobs: new Map(), manifests: new Map(), tags: new Map() };
      this.#repositories.set(repo, found);
    }
    return found;
  }

  #find(repo: RepoName, reference: Tag | Digest): { digest: Digest; mediaType: string; bytes: Buffer } {
    const repository = this.#repositories.get(repo);
    const digest = isDigest(reference) ? reference : repository?.tags.get(reference as Tag);
    const found = digest && repository?.manifests.get(digest);
    if (!found) throw manifestUnknown(this.name, repo, reference);
    return { digest, ...found };
  }

  #blob(repo: RepoName, digest: Digest): Buffer {
    const bytes = this.#repositories.get(repo)?.blobs.get(digest);
    if (!bytes) throw blobUnknown(this.name, repo, digest);
    return bytes;
  }

  async getManifest(repo: RepoName, reference: Tag | Digest): Promise<StoredManifest> {
    const { digest, mediaType, bytes } = this.#find(repo, reference);
    return { descriptor: { mediaType, digest, size: bytes.length }, bytes };
  }

  async getBlob(repo: RepoName, blob: Digest | Expected): Promise<Content> {
    const expected = expectedOf(blob);
    const bytes = this.#blob(repo, expected.digest);
    const what = `blob ${expected.digest} of ${this.name}/${repo}`;
    return new Content({ ...expected, size: expected.size ?? bytes.length }, bytesBody(bytes), { what });
  }

  async getBlobRange(repo: RepoName, blob: Expected, range: ByteRange): Promise<RangeContent> {
    const bytes = this.#blob(repo, blob.digest);
    requireRange(blob.digest, range, bytes.length);
    const { start, end } = range;
    return { ...bytesBody(bytes.subarray(start, end)), start, end };
  }

  async resolveManifest(repo: RepoName, reference: Tag | Digest): Promise<Descriptor> {
    const { digest, mediaType, bytes } = this.#find(repo, reference);
    return { mediaType, digest, size: bytes.length };
  }

  async resolveBlob(repo: RepoName, digest: Digest): Promise<Descriptor> {
    return { mediaType: mediaTypes.octetStream, digest, size: this.#blob(repo, digest).length };
  }

  async pushBlob(
    repo: RepoName,
    descriptor: Descriptor,
    source: BlobSource,
    { mountFrom, signal }: PushBlobOptions = {},
  ): Promise<Descriptor> {
    const algorithm = algorithmOf(descriptor.digest);
    if (await mountInstead(this, repo, descriptor, { mountFrom })) return descriptor;
    await using content = await source.open({ signal });
    const bytes = await content.bytes({ signal, limit: Number.MAX_SAFE_INTEGER });
    requireDigest(digestOf(bytes, algorithm), descriptor.digest, `blob ${descriptor.digest}`);
    this.#open(repo).blobs.set(descriptor.digest, bytes);
    return descriptor;
  }

  async openUpload(repo: RepoName, { session: saved }: OpenUploadOptions = {}): Promise<BlobUpload> {
    if (saved) {
      const found = this.#uploads.get(saved.location);
      if (found?.session.repo === repo) return found;
      throw uploadUnknown(this.name, repo);
    }
    const session: UploadSession = { repo, location: randomUUID() };
    const upload = new MemoryUpload(session, {
      forget: () => this.#uploads.delete(session.location),
      publish: (digest, bytes) => {
        requireDigest(digestOf(bytes, algorithmOf(digest)), digest, `the uploaded blob of ${bytes.length} bytes`);
        this.#open(repo).blobs.set(digest, bytes);
        return { mediaType: mediaTypes.octetStream, digest, size: bytes.length };
      },
    });
    this.#uploads.set(session.location, upload);
    return upload;
  }

  async mountBlob(from: RepoName, to: RepoName, digest: Digest): Promise<Descriptor> {
    const bytes = this.#blob(from, digest);
    this.#open(to).blobs.set(digest, bytes);
    return { mediaType: mediaTypes.octetStream, digest, size: bytes.length };
  }

  async pushManifest(
    repo: RepoName,
    bytes: Uint8Array,
    mediaType: string,
    options: PushManifestOptions = {},
  ): Promise<Descriptor> {
    const repository = this.#open(repo);
    const missing = summarizeManifest(bytes)
      .children.filter(({ digest, kind, foreign }) => {
        const known = kind === "blob" ? repository.blobs : repository.manifests;
        return !foreign && !known.has(digest as Digest);
      })
      .map(({ digest }) => digest);
    if (missing.length > 0) throw missingChildren(this.name, repo, missing);
    const kept = Buffer.from(bytes);
    const digest = manifestDigest(kept, options);
    repository.manifests.set(digest, { mediaType, bytes: kept });
    for (const tag of options.tags ?? []) repository.tags.set(tag, digest);
    return { mediaType, digest, size: kept.length };
  }

  async deleteBlob(repo: RepoName, digest: Digest): Promise<void> {
    this.#blob(repo, digest);
    this.#repositories.get(repo)!.blobs.delete(digest);
  }

  async deleteManifest(repo: RepoName, digest: Digest): Promise<void> {
    this.#find(repo, digest);
    const { manifests, tags } = this.#repositories.get(repo)!;
    manifests.delete(digest);
    for (const [tag, target] of tags) if (target === digest) tags.delete(tag);
  }

  async deleteTag(repo: RepoName, tag: Tag): Promise<void> {
    if (!this.#repositories.get(repo)?.tags.delete(tag)) throw manifestUnknown(this.name, repo, tag);
  }

  async *repositories({ after }: ListOptions = {}): AsyncGenerator<RepoName> {
    yield* [...this.#repositories.keys()].sort().filter((name) => after === undefined || name > after);
  }

  async *tags(repo: RepoName, { after }: ListOptions = {}): AsyncGenerator<Tag> {
    const repository = this.#repositories.get(repo);
    if (!repository) throw repositoryUnknown(this.name, repo);
    yield* [...repository.tags.keys()].sort().filter((tag) => after === undefined || tag > after);
  }

  async *referrers(repo: RepoName, digest: Digest, options: ReferrersOptions = {}): AsyncGenerator<Descriptor> {
    for (const [own, { bytes, mediaType }] of this.#repositories.get(repo)?.manifests ?? []) {
      const { subject, artifactType, annotations } = summarizeManifest(bytes);
      if (subject !== digest || (options.artifactType && options.artifactType !== artifactType)) continue;
      yield withoutUndefined({ mediaType, digest: own, size: bytes.length, artifactType, annotations });
    }
  }

  async close(): Promise<void> {
    this.#uploads.clear();
  }
}
