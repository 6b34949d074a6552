import { GantryError, isGantryError } from "../base/error.ts";
import { type Body, type Checkpoint, type Content, type Expected, requireDigest } from "../content/content.ts";
import type { BlobSource, Provider } from "../content/source.ts";
import { bytesContent } from "../content/source.ts";
import type { RepoName, Tag } from "../reference/reference.ts";
import { algorithmOf, type Digest, digestOf } from "../spec/digest.ts";
import { isIndexType, isManifestType, isSchema1Type } from "../spec/media-types.ts";
import type { Descriptor } from "../spec/types.ts";

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  /** Ask the registry itself, past any cache; what it says is remembered all the same. */
  readonly fresh?: boolean | undefined;
}

export interface ListOptions extends CallOptions {
  /** Only names after this one, in the order of their bytes: how a long listing is read in pages. */
  readonly after?: string | undefined;
}

export interface GetBlobOptions extends CallOptions {
  /** Go on from here, where the implementation can: the `start` of the content says where it begins. */
  readonly from?: Checkpoint | undefined;
}

/** A manifest or index as it was stored, byte for byte, with the descriptor that we computed from those bytes. */
export interface StoredManifest {
  readonly descriptor: Descriptor;
  readonly bytes: Buffer;
}

/** A part of a blob. It cannot be verified, so nothing that stores or applies bytes accepts it. */
export interface RangeContent extends Body {
  readonly start: number;
  /** One past the last byte. */
  readonly end: number;
}

/** What is needed to go on with an upload, also from another process. Plain JSON. */
export interface UploadSession {
  readonly repo: RepoName;
  readonly location: string;
}

/** A blob whose digest is not known before its bytes are. */
export interface BlobUpload {
  readonly session: UploadSession;
  /** Bytes that the other side has. */
  readonly offset: number;
  append(body: Body, options?: CallOptions & { readonly size?: number | undefined }): Promise<void>;
  /** @throws DIGEST_MISMATCH where the bytes are not those of `digest` */
  commit(digest: Digest, options?: CallOptions): Promise<Descriptor>;
  cancel(): Promise<void>;
}

export interface PushBlobOptions extends CallOptions {
  /**
   * A repository of this registry that has the blob: it is mounted from there if the registry will do that, and only
   * else sent. Where it is mounted, the source is not opened.
   */
  readonly mountFrom?: RepoName | undefined;
}

export interface PushManifestOptions extends CallOptions {
  /** Names for the manifest. Without one it is known by its digest alone. */
  readonly tags?: readonly Tag[] | undefined;
  /** The digest that the bytes must have, and will be known by; sha256 of them where it is left out. */
  readonly digest?: Digest | undefined;
}

/**
 * The one interface of this package: what a client offers and what a server serves. Because both are the same,
 * implementations stack: a server over a remote is a proxy.
 *
 * Every method may throw UNAUTHORIZED, DENIED, NAME_UNKNOWN, UNSUPPORTED (the implementation cannot do it) and the
 * signal's own reason; remote ones the codes of the transport too.
 * @see distribution-spec
 */
export interface Registry {
  /** Names this registry in messages: `127.0.0.1:5000`, `oci:./images`. */
  readonly name: string;

  /**
   * The whole manifest, at most `Limits.metadataBytes`, whose bytes have the digest asked for; for a tag we compute it.
   * @throws MANIFEST_UNKNOWN, DIGEST_MISMATCH, LIMIT_EXCEEDED
   */
  getManifest(repo: RepoName, reference: Tag | Digest, options?: CallOptions): Promise<StoredManifest>;
  /**
   * A blob that is verified as it is read, and that resumes inside where it comes from far.
   * @throws BLOB_UNKNOWN, UNSUPPORTED_ALGORITHM
   */
  getBlob(repo: RepoName, blob: Digest | Expected, options?: GetBlobOptions): Promise<Content>;
  /** Bytes `start` to `end` (exclusive) of a blob, unverified. @throws BLOB_UNKNOWN, RANGE_INVALID */
  getBlobRange(
    repo: RepoName,
    blob: Expected,
    range: { readonly start: number; readonly end: number },
    options?: CallOptions,
  ): Promise<RangeContent>;
  /** What the registry claims about a manifest, without its bytes: never proof. @throws MANIFEST_UNKNOWN */
  resolveManifest(repo: RepoName, reference: Tag | Digest, options?: CallOptions): Promise<Descriptor>;
  /** What the registry claims about a blob: never proof. @throws BLOB_UNKNOWN */
  resolveBlob(repo: RepoName, digest: Digest, options?: CallOptions): Promise<Descriptor>;

  /** @throws DIGEST_MISMATCH, SIZE_MISMATCH; nothing is published then */
  pushBlob(repo: RepoName, descriptor: Descriptor, source: BlobSource, options?: PushBlobOptions): Promise<Descriptor>;
  /** Starts an upload, or goes on with one that was begun. @throws BLOB_UPLOAD_UNKNOWN */
  openUpload(
    repo: RepoName,
    options?: CallOptions & { readonly session?: UploadSession | undefined },
  ): Promise<BlobUpload>;
  /** Makes a blob of one repository known in another. @throws BLOB_UNKNOWN, UNSUPPORTED where the registry would rather have the bytes */
  mountBlob(from: RepoName, to: RepoName, digest: Digest, options?: CallOptions): Promise<Descriptor>;
  /** Stores a manifest byte for byte. @throws MANIFEST_INVALID, MANIFEST_BLOB_UNKNOWN */
  pushManifest(
    repo: RepoName,
    bytes: Uint8Array,
    mediaType: string,
    options?: PushManifestOptions,
  ): Promise<Descriptor>;

  /** @throws BLOB_UNKNOWN */
  deleteBlob(repo: RepoName, digest: Digest, options?: CallOptions): Promise<void>;
  /** Deletes a manifest and every tag that names it. @throws MANIFEST_UNKNOWN */
  deleteManifest(repo: RepoName, digest: Digest, options?: CallOptions): Promise<void>;
  /** Deletes a tag and leaves the manifest. @throws MANIFEST_UNKNOWN */
  deleteTag(repo: RepoName, tag: Tag, options?: CallOptions): Promise<void>;

  repositories(options?: ListOptions): AsyncIterable<RepoName>;
  /** In the order of their bytes, as the specification asks; a remote registry's are in its own. @throws NAME_UNKNOWN */
  tags(repo: RepoName, options?: ListOptions): AsyncIterable<Tag>;
  /** Descriptors of manifests whose subject is `digest`; `after` is a digest, and may be passed over. */
  referrers(
    repo: RepoName,
    digest: Digest,
    options?: ListOptions & { readonly artifactType?: string | undefined },
  ): AsyncIterable<Descriptor>;

  /** Releases connections and what is half done. */
  close(): Promise<void>;
}

/** Mounts a blob that is about to be pushed; false where its bytes are needed. */
export async function isMounted(
  registry: Pick<Registry, "mountBlob">,
  repo: RepoName,
  { digest }: Descriptor,
  { mountFrom, signal }: PushBlobOptions,
): Promise<boolean> {
  if (mountFrom === undefined || mountFrom === repo) return false;
  try {
    await registry.mountBlob(mountFrom, repo, digest, signal ? { signal } : {});
    return true;
  } catch (error) {
    if (isGantryError(error, "BLOB_UNKNOWN", "NAME_UNKNOWN", "UNSUPPORTED", "DENIED")) return false;
    throw error;
  }
}

/** The digest of manifest bytes that are pushed. @throws DIGEST_MISMATCH where they are not what they should be */
export function manifestDigest(bytes: Uint8Array, { digest }: PushManifestOptions): Digest {
  if (digest === undefined) return digestOf(bytes);
  requireDigest(digestOf(bytes, algorithmOf(digest)), digest, "the manifest");
  return digest;
}

export function unsupported(registry: string, what: string): GantryError<"UNSUPPORTED"> {
  return new GantryError("UNSUPPORTED", `${registry} does not support ${what}`);
}

export function manifestUnknown(registry: string, repo: string, reference: string): GantryError<"MANIFEST_UNKNOWN"> {
  return new GantryError("MANIFEST_UNKNOWN", `${registry}/${repo}: there is no manifest ${reference}`, {
    details: { registry, repo, reference },
  });
}

export function blobUnknown(registry: string, repo: string, digest: string): GantryError<"BLOB_UNKNOWN"> {
  return new GantryError("BLOB_UNKNOWN", `${registry}/${repo}: there is no blob ${digest}`, {
    details: { registry, repo, digest },
  });
}

export function repositoryUnknown(registry: string, repo: string): GantryError<"NAME_UNKNOWN"> {
  return new GantryError("NAME_UNKNOWN", `${registry}: there is no repository ${repo}`, {
    details: { registry, repo },
  });
}

/** Of a manifest that may not be stored before what it refers to. */
export function missingChildren(
  registry: string,
  repo: string,
  missing: readonly string[],
): GantryError<"MANIFEST_BLOB_UNKNOWN"> {
  return new GantryError(
    "MANIFEST_BLOB_UNKNOWN",
    `${registry}/${repo}: the manifest refers to ${missing.length} missing blobs or manifests: ${missing.join(", ")}`,
    { details: { missing } },
  );
}

export function rangeInvalid(what: string, start: number, end: number, size: number): GantryError<"RANGE_INVALID"> {
  return new GantryError("RANGE_INVALID", `${what}: bytes ${start} to ${end} are not within its ${size} bytes`);
}

/** What an expectation says of a blob, from its digest alone or from a descriptor. @throws UNSUPPORTED_ALGORITHM */
export function expectedOf(blob: Digest | Expected): Expected {
  const expected = typeof blob === "string" ? { digest: blob } : blob;
  algorithmOf(expected.digest);
  return expected;
}

/** One repository as a reader of its image graph: documents as manifests, everything else as blobs. */
export function providerOf(registry: Registry, repo: RepoName): Provider {
  return {
    async read(descriptor, options) {
      algorithmOf(descriptor.digest);
      const type = descriptor.mediaType ?? "";
      if (!isIndexType(type) && !isManifestType(type) && !isSchema1Type(type)) {
        return registry.getBlob(repo, descriptor, options);
      }
      const { bytes } = await registry.getManifest(repo, descriptor.digest, options);
      return bytesContent(descriptor, bytes, `manifest ${descriptor.digest} of ${registry.name}/${repo}`);
    },
  };
}
