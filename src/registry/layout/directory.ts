import { randomUUID } from "node:crypto";
import { checkLimit, defaultLimits, type Limits } from "../../base/limits.ts";
import type { BlobDirectory } from "../../content/blob-directory.ts";
import type { Content, Expected } from "../../content/content.ts";
import type { BlobSource } from "../../content/source.ts";
import type { RepoName } from "../../reference/reference.ts";
import type { Digest } from "../../spec/digest.ts";
import { mediaTypes } from "../../spec/media-types.ts";
import { summarizeManifest } from "../../spec/summary.ts";
import type { Descriptor } from "../../spec/types.ts";
import type { BlobVerifier } from "../blob-verifier.ts";
import { expectedOf } from "../expected.ts";
import { mountInstead } from "../mount.ts";
import { blobUnknown, requireRange, uploadUnknown } from "../refusals.ts";
import type {
  BlobUpload,
  ByteRange,
  CallOptions,
  GetBlobOptions,
  OpenUploadOptions,
  PushBlobOptions,
  RangeContent,
  StoredManifest,
  UploadSession,
} from "../registry.ts";
import { DirectoryUpload } from "./upload.ts";

/** A registry's blobs in a blob directory: the common part of layouts and stores. */
export abstract class DirectoryRegistry implements BlobVerifier {
  abstract readonly name: string;
  readonly blobs: BlobDirectory;
  protected readonly limits: Limits;
  readonly #uploads = new Map<string, DirectoryUpload>();

  constructor(blobs: BlobDirectory, limits: Limits = defaultLimits) {
    this.blobs = blobs;
    this.limits = limits;
  }

  /** Makes sure that the directory exists and is ready for writes. */
  protected abstract prepareWrite(): Promise<void>;

  /** Called before an existing or future blob is relied on. A store protects it from being collected. */
  protected async willUse(_digest: Digest): Promise<void> {}

  /** Called for an uploaded blob whose digest is verified, before it is published. */
  protected async proved(_repo: RepoName, _digest: Digest): Promise<void> {}

  async getBlob(_repo: RepoName, blob: Digest | Expected, options: GetBlobOptions = {}): Promise<Content> {
    return this.blobs.read(expectedOf(blob), options);
  }

  async getBlobRange(repo: RepoName, blob: Expected, range: ByteRange): Promise<RangeContent> {
    const size = await this.blobs.size(blob.digest);
    if (size === undefined) throw blobUnknown(this.name, repo, blob.digest);
    requireRange(blob.digest, range, size);
    const body = await this.blobs.readRange(blob, range);
    return Object.assign(body, { start: range.start, end: range.end });
  }

  async resolveBlob(repo: RepoName, digest: Digest): Promise<Descriptor> {
    const size = await this.blobs.size(digest);
    if (size === undefined) throw blobUnknown(this.name, repo, digest);
    return { mediaType: mediaTypes.octetStream, digest, size };
  }

  /** The verified bytes of an existing manifest. @throws LIMIT_EXCEEDED, SIZE_MISMATCH, DIGEST_MISMATCH */
  protected async readManifest(descriptor: Descriptor, options: CallOptions): Promise<StoredManifest> {
    checkLimit(this.limits, "metadataBytes", descriptor.size, `manifest ${descriptor.digest} of ${this.name}`);
    return { descriptor, bytes: await (await this.blobs.read(descriptor)).bytes(options) };
  }

  /** The descriptor of a manifest of which only the digest is known; the media type is the one in the manifest. */
  protected async describeManifest(digest: Digest): Promise<Descriptor | undefined> {
    const size = await this.blobs.size(digest);
    if (size === undefined) return undefined;
    checkLimit(this.limits, "metadataBytes", size, `manifest ${digest} of ${this.name}`);
    const bytes = await (await this.blobs.read({ digest, size })).bytes();
    const { mediaType } = summarizeManifest(bytes);
    return mediaType ? { mediaType, digest, size } : undefined;
  }

  verifyBlob(blob: Expected, options: CallOptions = {}): Promise<boolean | undefined> {
    return this.blobs.verify(blob, options);
  }

  async pushBlob(
    repo: RepoName,
    descriptor: Descriptor,
    source: BlobSource,
    { mountFrom, ...options }: PushBlobOptions = {},
  ): Promise<Descriptor> {
    if (await mountInstead(this, repo, descriptor, { mountFrom })) return descriptor;
    await this.prepareWrite();
    await this.willUse(descriptor.digest);
    await this.blobs.write(descriptor, (open) => source.open({ ...options, ...open }), options);
    return descriptor;
  }

  async openUpload(repo: RepoName, { session: saved }: OpenUploadOptions = {}): Promise<BlobUpload> {
    await this.prepareWrite();
    if (saved) {
      const found = this.#uploads.get(saved.location);
      if (found?.session.repo === repo) return found;
      throw uploadUnknown(this.name, repo);
    }
    const session: UploadSession = { repo, location: randomUUID() };
    const upload = new DirectoryUpload(session, await this.blobs.upload(), {
      forget: () => this.#uploads.delete(session.location),
      willUse: (digest) => this.willUse(digest),
      proved: (digest) => this.proved(repo, digest),
    });
    this.#uploads.set(session.location, upload);
    return upload;
  }

  /** Blobs are shared by all repositories of a directory. */
  async mountBlob(_from: RepoName, to: RepoName, digest: Digest): Promise<Descriptor> {
    return this.resolveBlob(to, digest);
  }

  async deleteBlob(repo: RepoName, digest: Digest): Promise<void> {
    if (!(await this.blobs.delete(digest))) throw blobUnknown(this.name, repo, digest);
  }

  async close(): Promise<void> {
    for (const upload of this.#uploads.values()) await upload.cancel();
    await this.blobs.close();
  }
}
