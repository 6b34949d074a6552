import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { errnoOf, GantryError, isGantryError } from "../base/error.ts";
import { defaultLimits, type Limits } from "../base/limits.ts";
import { algorithmOf, type Digest, digestAlgorithms, hexOf, isDigest } from "../spec/digest.ts";
import { fileSystemError } from "../sys/fs-error.ts";
import { requireDirectory } from "../sys/in-place.ts";
import { makeDirectories } from "../sys/make-directories.ts";
import { openRegularFile } from "../sys/regular-file.ts";
import { syncDirectory } from "../sys/replace-file.ts";
import { Content, type Expected } from "./content.ts";
import type { Follower } from "./follower.ts";
import { GrowingFile } from "./growing-file.ts";
import { Ingests, type OpenSource, type WriteOptions } from "./ingest.ts";
import { Partials } from "./partials.ts";
import { Session } from "./session.ts";
import { fileBody, type OpenContentOptions, type Provider } from "./source.ts";
import { BlobUploadFile } from "./upload-file.ts";
import { requireSize } from "./verifier.ts";

export interface BlobDirectoryOptions {
  readonly limits?: Limits | undefined;
  /** Names the directory in messages: `oci:./image`. */
  readonly name?: string | undefined;
  /** Files get the modes that the umask allows, as in a layout. Default: only the owner reads them, as in a store. */
  readonly shared?: boolean | undefined;
  /** Called when a blob is missing; returns true if it restored the blob. */
  readonly recover?: ((digest: Digest) => Promise<boolean>) | undefined;
}

/**
 * The `blobs/ALGORITHM/HEX` files of a layout or store (image-spec image-layout.md, "Blobs"). A blob appears under
 * its name only after every byte was verified and written to the disk; until then it is in `tmp/`, in the directory of
 * this process. A partial download is kept for a day, and resumed.
 */
export class BlobDirectory implements Provider {
  readonly root: string;
  readonly name: string;
  readonly #limits: Limits;
  readonly #recover: (digest: Digest) => Promise<boolean>;
  readonly #modes: { readonly file: number; readonly directory: number };
  /** Directories with new names that the disk may not have yet. */
  readonly #touched = new Set<string>();
  /** Paths that were checked to be real directories. */
  readonly #ready = new Set<string>();
  readonly #session: Session;
  readonly #ingests: Ingests;

  constructor(root: string, options: BlobDirectoryOptions = {}) {
    this.root = root;
    this.name = options.name ?? root;
    this.#limits = options.limits ?? defaultLimits;
    this.#recover = options.recover ?? (async () => false);
    this.#modes = options.shared ? { file: 0o666, directory: 0o777 } : { file: 0o600, directory: 0o700 };
    const tmp = join(root, "tmp");
    const partials = new Partials(tmp, (digest) => this.has({ digest }));
    this.#session = new Session(tmp, (directory) => partials.clean(directory));
    this.#ingests = new Ingests({
      root,
      partials,
      create: (path) => this.#create(path),
      temporary: (name) => this.#session.path(name),
      verify: (expected, call) => this.verify(expected, call),
      publish: (temporary, digest) => this.#publish(temporary, digest),
    });
  }

  path(digest: Digest): string {
    return join(this.root, "blobs", algorithmOf(digest), hexOf(digest));
  }

  /** The size of a blob in bytes; undefined if the blob is missing. @throws NOT_REGULAR_FILE */
  async size(digest: Digest): Promise<number | undefined> {
    const file = await this.#open(digest);
    await file?.handle.close();
    return file?.size;
  }

  /** True if the blob exists, with this size if one is given. Blobs are verified when they are written, not here. */
  async has(expected: Expected): Promise<boolean> {
    const size = await this.size(expected.digest);
    return size !== undefined && (expected.size === undefined || size === expected.size);
  }

  /**
   * Hashes an existing blob, which may have changed since it was written.
   * @returns undefined if it is missing, false if its size or digest is wrong
   */
  async verify(
    expected: Expected,
    options: { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<boolean | undefined> {
    if ((await this.size(expected.digest)) === undefined) return undefined;
    try {
      await (await this.read(expected)).pipe(() => {}, options);
      return true;
    } catch (error) {
      if (isGantryError(error, "BLOB_UNKNOWN")) return undefined;
      if (isGantryError(error, "DIGEST_MISMATCH", "SIZE_MISMATCH")) return false;
      throw error;
    }
  }

  /** @throws BLOB_UNKNOWN, SIZE_MISMATCH (before any byte is read), NOT_REGULAR_FILE */
  async read(expected: Expected, { from }: OpenContentOptions = {}): Promise<Content> {
    const { digest, size } = expected;
    const file = await this.#require(digest);
    const what = this.#what(digest);
    if (size !== undefined && file.size !== size) {
      await file.handle.close();
      requireSize(file.size, size, what);
    }
    const body = fileBody(file.handle, this.path(digest), { start: from?.offset ?? 0 });
    return new Content({ ...expected, size: file.size }, body, { what, limits: this.#limits, from });
  }

  /** The unverified bytes from `start` to `end` (excluded). @throws BLOB_UNKNOWN, NOT_REGULAR_FILE */
  async readRange({ digest }: Expected, range: { start: number; end: number }): Promise<ReturnType<typeof fileBody>> {
    const { handle } = await this.#require(digest);
    return fileBody(handle, this.path(digest), range);
  }

  #what(digest: Digest): string {
    return `blob ${digest} of ${this.name}`;
  }

  async #open(digest: Digest): ReturnType<typeof openRegularFile> {
    this.#requireOwnDirectory(digest);
    const file = await openRegularFile(this.path(digest));
    return file ?? ((await this.#recover(digest)) ? openRegularFile(this.path(digest)) : undefined);
  }

  async #require(digest: Digest): Promise<NonNullable<Awaited<ReturnType<typeof openRegularFile>>>> {
    const file = await this.#open(digest);
    if (file) return file;
    throw new GantryError("BLOB_UNKNOWN", `${this.#what(digest)} is missing`, { details: { digest } });
  }

  /** Refuses a link in place of `blobs` or of an algorithm's directory: it could point anywhere. */
  #requireOwnDirectory(digest: Digest): void {
    for (const directory of [join(this.root, "blobs"), join(this.root, "blobs", algorithmOf(digest))]) {
      if (this.#ready.has(directory)) continue;
      requireDirectory(directory);
      if (!existsSync(directory)) return;
      this.#ready.add(directory);
    }
  }

  /**
   * Writes a blob, unless it exists with the right bytes. Concurrent calls for one digest share one download, which
   * continues as long as one of them is not aborted.
   * @returns whether this call moved the bytes
   * @throws errors of `source` and its content, NO_SPACE, FILE_SYSTEM, the signal's reason; nothing is published then
   */
  write(expected: Expected, source: OpenSource, options: WriteOptions = {}): Promise<boolean> {
    return this.#ingests.write(expected, source, options);
  }

  /**
   * Reads a blob that `write` of this object is writing now; resolves when its source has been opened. The caller
   * closes the follower.
   * @returns undefined if no write of this digest is under way; if it has just succeeded, `read` returns the blob
   * @throws the error of the write, the signal's reason
   */
  follow(digest: Digest, options: { readonly signal?: AbortSignal | undefined } = {}): Promise<Follower | undefined> {
    return this.#ingests.follow(digest, options.signal);
  }

  async #create(path: string): Promise<GrowingFile> {
    try {
      return await GrowingFile.create(path, this.#modes.file);
    } catch (error) {
      throw await fileSystemError(error, "creating", path);
    }
  }

  /** Starts a blob whose digest is not known yet. */
  async upload(): Promise<BlobUploadFile> {
    const path = await this.#session.path(randomUUID());
    const file = await this.#create(path);
    return new BlobUploadFile(file, (digest) => this.#publish(path, digest));
  }

  async #publish(temporary: string, digest: Digest): Promise<void> {
    const target = this.path(digest);
    const directory = join(target, "..");
    this.#requireOwnDirectory(digest);
    if (!this.#ready.has(directory)) await makeDirectories(directory, this.#modes.directory);
    await rename(temporary, target);
    this.#touched.add(directory);
  }

  /** Makes the names of published blobs survive a power cut, with one fsync of each directory for all its blobs. */
  async sync(): Promise<void> {
    const directories = [...this.#touched];
    this.#touched.clear();
    for (const path of directories) await syncDirectory(path);
  }

  /** Removes a blob; returns false if it was missing. */
  async delete(digest: Digest): Promise<boolean> {
    this.#requireOwnDirectory(digest);
    try {
      await rm(this.path(digest));
      return true;
    } catch (error) {
      if (errnoOf(error) === "ENOENT") return false;
      throw await fileSystemError(error, "removing", this.path(digest));
    }
  }

  /** The digests of all blobs. Files whose names are not digests are skipped. */
  async *list(): AsyncGenerator<Digest> {
    for (const algorithm of digestAlgorithms) {
      const names = await readdir(join(this.root, "blobs", algorithm)).catch(() => []);
      for (const name of names) {
        const digest = `${algorithm}:${name}`;
        if (isDigest(digest)) yield digest;
      }
    }
  }

  /** Removes this process's files from `tmp/`. The object can be used again. */
  async close(): Promise<void> {
    await this.#session.close();
    await this.sync();
  }
}
