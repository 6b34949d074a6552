import type { Checkpoint } from "../content/checkpoints.ts";
import type { Body, Content, Expected } from "../content/content.ts";
import type { BlobSource } from "../content/source.ts";
import type { RepoName, Tag } from "../reference/reference.ts";
import type { Digest } from "../spec/digest.ts";
import type { Descriptor } from "../spec/types.ts";

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  /** Ask the registry instead of a cache. The answer is still cached. */
  readonly fresh?: boolean | undefined;
}

export interface GetBlobOptions extends CallOptions {
  /**
   * Resume at this checkpoint. An implementation that cannot resume returns the content from 0; `start` of the content
   * is the offset at which it begins.
   */
  readonly from?: Checkpoint | undefined;
}

/** Bytes `start` to `end` of a blob. */
export interface ByteRange {
  readonly start: number;
  /** One past the last byte. */
  readonly end: number;
}

/** A manifest or index, byte for byte, with the descriptor that was computed from these bytes. */
export interface StoredManifest {
  readonly descriptor: Descriptor;
  readonly bytes: Buffer;
}

/** A part of a blob. It cannot be verified, so no function that stores or applies bytes accepts it. */
export interface RangeContent extends Body, ByteRange {}

/**
 * The reading part of a registry.
 *
 * Every method of the four parts may throw UNAUTHORIZED, DENIED, NAME_UNKNOWN, UNSUPPORTED (the implementation cannot
 * do it) and the signal's own reason; a remote registry also throws the codes of `gantry/transport`.
 * @see distribution-spec, "Pull"
 */
export interface RegistryReader {
  /** The registry in messages: `127.0.0.1:5000`, `oci:./images`. */
  readonly name: string;
  /**
   * The whole manifest, at most `Limits.metadataBytes` long. Its bytes are verified against the digest that was asked
   * for; for a tag, the digest is computed from them.
   * @throws MANIFEST_UNKNOWN, DIGEST_MISMATCH, LIMIT_EXCEEDED
   */
  getManifest(repo: RepoName, reference: Tag | Digest, options?: CallOptions): Promise<StoredManifest>;
  /**
   * A blob that is verified while it is read. A remote implementation resumes by itself when the connection breaks.
   * @throws BLOB_UNKNOWN, UNSUPPORTED_ALGORITHM
   */
  getBlob(repo: RepoName, blob: Digest | Expected, options?: GetBlobOptions): Promise<Content>;
  /** A part of a blob, unverified. @throws BLOB_UNKNOWN, RANGE_INVALID */
  getBlobRange(repo: RepoName, blob: Expected, range: ByteRange, options?: CallOptions): Promise<RangeContent>;
  /** What the registry claims about a manifest, without its bytes. It is not verified. @throws MANIFEST_UNKNOWN */
  resolveManifest(repo: RepoName, reference: Tag | Digest, options?: CallOptions): Promise<Descriptor>;
  /** What the registry claims about a blob. It is not verified. @throws BLOB_UNKNOWN */
  resolveBlob(repo: RepoName, digest: Digest, options?: CallOptions): Promise<Descriptor>;
}

/** What is needed to resume an upload, also in another process. Plain JSON. */
export interface UploadSession {
  readonly repo: RepoName;
  readonly location: string;
}

export interface OpenUploadOptions extends CallOptions {
  /** Resume this upload instead of starting one. */
  readonly session?: UploadSession | undefined;
}

/** An upload of a blob whose digest is known only after its bytes. */
export interface BlobUpload {
  readonly session: UploadSession;
  /** Bytes that the registry has received. */
  readonly offset: number;
  append(body: Body, options?: CallOptions & { readonly size?: number | undefined }): Promise<void>;
  /** @throws DIGEST_MISMATCH where the bytes have another digest */
  commit(digest: Digest, options?: CallOptions): Promise<Descriptor>;
  cancel(): Promise<void>;
}

export interface PushBlobOptions extends CallOptions {
  /**
   * A repository of this registry that has the blob. Where the registry can mount the blob from it, the source is not
   * opened; else the blob is sent.
   */
  readonly mountFrom?: RepoName | undefined;
}

export interface PushManifestOptions extends CallOptions {
  /** Tags for the manifest. Without a tag, only its digest names it. */
  readonly tags?: readonly Tag[] | undefined;
  /** The digest that the bytes must have, and under which they are stored. Default: their sha256. */
  readonly digest?: Digest | undefined;
}

/** The writing part of a registry. @see distribution-spec, "Push" */
export interface RegistryWriter {
  /** The registry in messages. */
  readonly name: string;
  /** @throws DIGEST_MISMATCH, SIZE_MISMATCH; nothing is published then */
  pushBlob(repo: RepoName, descriptor: Descriptor, source: BlobSource, options?: PushBlobOptions): Promise<Descriptor>;
  /** Starts or resumes an upload. @throws BLOB_UPLOAD_UNKNOWN */
  openUpload(repo: RepoName, options?: OpenUploadOptions): Promise<BlobUpload>;
  /**
   * Makes a blob of one repository available in another, without sending its bytes.
   * @throws BLOB_UNKNOWN, UNSUPPORTED where the bytes must be sent
   */
  mountBlob(from: RepoName, to: RepoName, digest: Digest, options?: CallOptions): Promise<Descriptor>;
  /** Stores a manifest byte for byte. @throws MANIFEST_INVALID, MANIFEST_BLOB_UNKNOWN, DIGEST_MISMATCH */
  pushManifest(
    repo: RepoName,
    bytes: Uint8Array,
    mediaType: string,
    options?: PushManifestOptions,
  ): Promise<Descriptor>;
}

/** The deleting part of a registry. @see distribution-spec, "Content Management" */
export interface RegistryDeleter {
  /** The registry in messages. */
  readonly name: string;
  /** @throws BLOB_UNKNOWN */
  deleteBlob(repo: RepoName, digest: Digest, options?: CallOptions): Promise<void>;
  /** Deletes a manifest and every tag that names it. @throws MANIFEST_UNKNOWN */
  deleteManifest(repo: RepoName, digest: Digest, options?: CallOptions): Promise<void>;
  /** Deletes a tag and leaves the manifest. @throws MANIFEST_UNKNOWN */
  deleteTag(repo: RepoName, tag: Tag, options?: CallOptions): Promise<void>;
}

export interface ListOptions extends CallOptions {
  /** Only names after this one in byte order, to read a long list in pages. An implementation may ignore it. */
  readonly after?: string | undefined;
}

export interface ReferrersOptions extends ListOptions {
  readonly artifactType?: string | undefined;
}

/** The listing part of a registry. @see distribution-spec, "Content Discovery" */
export interface RegistryLister {
  /** The registry in messages. */
  readonly name: string;
  repositories(options?: ListOptions): AsyncIterable<RepoName>;
  /** In byte order, as the specification requires; a remote registry may use another order. @throws NAME_UNKNOWN */
  tags(repo: RepoName, options?: ListOptions): AsyncIterable<Tag>;
  /** Descriptors of the manifests whose subject is `digest`. `after` is a digest. */
  referrers(repo: RepoName, digest: Digest, options?: ReferrersOptions): AsyncIterable<Descriptor>;
}

/**
 * The central interface of this package: clients implement it, and the server serves it. So implementations stack: a
 * server over a remote registry is a proxy. `completeRegistry` makes one from an object that has only some of the
 * methods.
 * @see distribution-spec
 */
export interface Registry extends RegistryReader, RegistryWriter, RegistryDeleter, RegistryLister {
  readonly name: string;
  /** Releases connections and cancels unfinished uploads. */
  close(): Promise<void>;
}
