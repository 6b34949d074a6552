import { randomUUID } from "node:crypto";
import { GantryError } from "../../base/error.ts";
import { checkLimit, defaultLimits, type Limits } from "../../base/limits.ts";
import type { BlobDirectory, BlobUploadFile } from "../../content/blob-directory.ts";
import type { Body, Content, Expected } from "../../content/content.ts";
import type { BlobSource } from "../../content/source.ts";
import type { RepoName } from "../../reference/reference.ts";
import type { Digest } from "../../spec/digest.ts";
import { mediaTypes } from "../../spec/media-types.ts";
import { summarizeManifest } from "../../spec/sniff.ts";
import type { Descriptor } from "../../spec/types.ts";
import { expectedOf } from "../expected.ts";
import { isMounted } from "../mount.ts";
import { blobUnknown, rangeInvalid } from "../refusals.ts";
import type {
  BlobUpload,
  CallOptions,
  GetBlobOptions,
  PushBlobOptions,
  RangeContent,
  StoredManifest,
  UploadSession,
} from "../registry.ts";
import type { BlobVerifier } from "../verifier.ts";

/** The half of a registry that a blob directory answers: what layouts and stores have in common. */
export abstract class DirectoryRegistry implements BlobVerifier {
  abstract readonly name: string;
  readonly blobs: BlobDirectory;
  protected readonly limits: Limits;
  readonly #uploads = new Map<string, DirectoryUpload>();

  constructor(blobs: BlobDirectory, limits: Limits = defaultLimits) {
    this.blobs = blobs;
    this.limits = limits;
  }

  /** Makes sure that the directory is there and may be written to. */
  protected abstract prepareWrite(): Promise<void>;

  /** Called before anything relies on a blob that is there or that will be. A store keeps it from being collected. */
  protected async willUse(_digest: Digest): Promise<void> {}

  /** Called for an uploaded blob whose digest is proved, before it is published. */
  protected async proved(_repo: RepoName, _digest: Digest): Promise<void> {}

  async getBlob(_repo: RepoName, blob: Digest | Expected, options: GetBlobOptions = {}): Promise<Content> {
    return this.blobs.read(expectedOf(blob), options);
  }

  async getBlobRange(repo: RepoName, blob: Expected, range: { start: number; end: number }): Promise<RangeContent> {
    const size = await this.blobs.size(blob.digest);
    if (size === undefined) throw blobUnknown(this.name, repo, blob.digest);
    const { start, end } = range;
    if (!(start >= 0 && start < end && end <= size)) throw rangeInvalid(blob.digest, start, end, size);
    const body = await this.blobs.readRange(blob, range);
    return Object.assign(body, { start, end });
  }

  async resolveBlob(repo: RepoName, digest: Digest): Promise<Descriptor> {
    const size = await this.blobs.size(digest);
    if (size === undefined) throw blobUnknown(this.name, repo, digest);
    return { mediaType: mediaTypes.octetStream, digest, size };
  }

  /** The bytes of a manifest that is there, verified. @throws LIMIT_EXCEEDED, SIZE_MISMATCH, DIGEST_MISMATCH */
  protected async readManifest(descriptor: Descriptor, options: CallOptions): Promise<StoredManifest> {
    checkLimit(this.limits, "metadataBytes", descriptor.size, `manifest ${descriptor.digest} of ${this.name}`);
    return { descriptor, bytes: await (await this.blobs.read(descriptor)).bytes(options) };
  }

  /** A manifest that is there under its digest alone: its media type is what it calls itself. */
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
    if (await isMounted(this, repo, descriptor, { mountFrom })) return descriptor;
    await this.prepareWrite();
    await this.willUse(descriptor.digest);
    await this.blobs.write(descriptor, (open) => source.open({ ...options, ...open }), options);
    return descriptor;
  }

  async openUpload(
    repo: RepoName,
    options: { readonly session?: UploadSession | undefined } = {},
  ): Promise<BlobUpload> {
    await this.prepareWrite();
    if (options.session) {
      const found = this.#uploads.get(options.session.location);
      if (found?.session.repo === repo) return found;
      throw new GantryError("BLOB_UPLOAD_UNKNOWN", `${this.name}/${repo}: there is no such upload`);
    }
    const session = { repo, location: randomUUID() };
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

interface UploadOwner {
  forget(): void;
  willUse(digest: Digest): Promise<void>;
  proved(digest: Digest): Promise<void>;
}

class DirectoryUpload implements BlobUpload {
  readonly session: UploadSession;
  readonly #file: BlobUploadFile;
  readonly #registry: UploadOwner;

  constructor(session: UploadSession, file: BlobUploadFile, registry: UploadOwner) {
    this.session = session;
    this.#file = file;
    this.#registry = registry;
  }

  get offset(): number {
    return this.#file.offset;
  }

  async append(body: Body, options: CallOptions = {}): Promise<void> {
    await body.pump((chunk) => this.#file.append(chunk), options.signal);
  }

  async commit(digest: Digest): Promise<Descriptor> {
    this.#registry.forget();
    const size = this.#file.offset;
    await this.#registry.willUse(digest);
    await this.#file.commit(digest, () => this.#registry.proved(digest));
    return { mediaType: mediaTypes.octetStream, digest, size };
  }

  async cancel(): Promise<void> {
    this.#registry.forget();
    await this.#file.cancel();
  }
}
