import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { lstat, mkdir, open, readdir, rename, rm, rmdir, utimes } from "node:fs/promises";
import { join } from "node:path";
import { abortable } from "../base/async.ts";
import { errnoOf, GantryError, isGantryError, messageOf } from "../base/error.ts";
import { defaultLimits, type Limits } from "../base/limits.ts";
import { algorithmOf, type Digest, Hasher, hexOf, isDigest } from "../spec/digest.ts";
import { fileSystemError } from "../sys/fs-error.ts";
import { requireDirectory } from "../sys/in-place.ts";
import { STALE_MS } from "../sys/lock.ts";
import { openRegularFile } from "../sys/regular-file.ts";
import { Content, type Expected, requireDigest, requireSize } from "./content.ts";
import { GrowingFile, type GrowingFileHandle } from "./growing-file.ts";
import { Partials, SESSION_PREFIX } from "./partials.ts";
import { fileBody, fileContent, type OpenContentOptions, type Provider } from "./source.ts";

/** What may come of asking for a part of a blob, or of having had a wrong one. */
const doubtful = ["DIGEST_MISMATCH", "RANGE_INVALID", "INVALID_RESPONSE", "REGISTRY_ERROR"] as const;

export interface BlobDirectoryOptions {
  readonly limits?: Limits | undefined;
  /** Names the directory in messages: `oci:./image`. */
  readonly name?: string | undefined;
  /** Readable by others as far as the umask allows, as a layout is; a store is its owner's alone (the default). */
  readonly shared?: boolean | undefined;
  /** Asked when a blob is not there: true where it could be brought back. */
  readonly recover?: ((digest: Digest) => Promise<boolean>) | undefined;
}

export interface WriteOptions {
  readonly signal?: AbortSignal | undefined;
  /** Told of each piece as it arrives. */
  readonly onBytes?: ((count: number) => void) | undefined;
}

/**
 * The `blobs/ALGORITHM/HEX` files of a layout or store (image-spec image-layout.md, "Blobs"). A blob appears under
 * its name only after every byte was hashed and written to the disk; until then it is in `tmp/`, in a directory of
 * this process that others remove when it has shown no sign of life for 30 s. What arrived of a blob whose transfer
 * broke off is kept for a day, and gone on from.
 */
export class BlobDirectory implements Provider {
  readonly root: string;
  readonly name: string;
  readonly #limits: Limits;
  readonly #recover: (digest: Digest) => Promise<boolean>;
  readonly #modes: { readonly file: number; readonly directory: number };
  readonly #underway = new Map<
    Digest,
    { done: Promise<void>; signal: AbortSignal | undefined; file?: GrowingFileHandle | undefined }
  >();
  readonly #touched = new Set<string>();
  readonly #ready = new Set<string>();
  readonly #partials: Partials;
  #madeTmp = false;
  #session: Promise<string> | undefined;
  #heartbeat: NodeJS.Timeout | undefined;

  constructor(root: string, options: BlobDirectoryOptions = {}) {
    this.root = root;
    this.name = options.name ?? root;
    this.#limits = options.limits ?? defaultLimits;
    this.#partials = new Partials(join(root, "tmp"), (digest) => this.has({ digest }));
    this.#recover = options.recover ?? (async () => false);
    this.#modes = options.shared ? { file: 0o666, directory: 0o777 } : { file: 0o600, directory: 0o700 };
  }

  path(digest: Digest): string {
    return join(this.root, "blobs", algorithmOf(digest), hexOf(digest));
  }

  /** The size in bytes of a blob that is there. @throws NOT_REGULAR_FILE */
  async size(digest: Digest): Promise<number | undefined> {
    const file = await this.#open(digest);
    await file?.handle.close();
    return file?.size;
  }

  /** True where a blob of this digest, and of this size if one is given, is there. It was verified when it was written. */
  async has(expected: Expected): Promise<boolean> {
    const size = await this.size(expected.digest);
    return size !== undefined && (expected.size === undefined || size === expected.size);
  }

  /**
   * Hashes a blob that is there: what was verified when it was written may have been changed since.
   * @returns undefined where it is not there, false where it is not what its name says
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
    const what = `blob ${expected.digest} of ${this.name}`;
    const file = await this.#open(expected.digest);
    if (!file) throw new GantryError("BLOB_UNKNOWN", `${what} is not there`, { details: { digest: expected.digest } });
    if (expected.size !== undefined && file.size !== expected.size) {
      await file.handle.close();
      requireSize(file.size, expected.size, what);
    }
    const body = fileBody(file.handle, this.path(expected.digest), { start: from?.offset ?? 0 });
    return new Content({ ...expected, size: file.size }, body, { what, limits: this.#limits, from });
  }

  /** Bytes of a part of a blob, unverified. */
  async readRange(expected: Expected, range: { start: number; end: number }): Promise<ReturnType<typeof fileBody>> {
    const file = await this.#open(expected.digest);
    if (!file) throw new GantryError("BLOB_UNKNOWN", `blob ${expected.digest} of ${this.name} is not there`);
    return fileBody(file.handle, this.path(expected.digest), range);
  }

  async #open(digest: Digest): ReturnType<typeof openRegularFile> {
    await this.#requireOwnDirectory(digest);
    const file = await openRegularFile(this.path(digest));
    return file ?? ((await this.#recover(digest)) ? openRegularFile(this.path(digest)) : undefined);
  }

  /** A link in place of `blobs` or of an algorithm's directory could point anywhere. */
  async #requireOwnDirectory(digest: Digest): Promise<void> {
    for (const directory of [join(this.root, "blobs"), join(this.root, "blobs", algorithmOf(digest))]) {
      if (this.#ready.has(directory)) continue;
      requireDirectory(directory);
      if (!existsSync(directory)) return;
      this.#ready.add(directory);
    }
  }

  /**
   * Writes a blob unless it is there, and is what its name says. Callers that ask for one digest at the same time share one download, which
   * goes on as long as one of them wants it.
   * @returns whether this call moved the bytes
   * @throws what `open` and the content throw, NO_SPACE, FILE_SYSTEM; nothing is published then
   */
  async write(
    expected: Expected,
    source: (open: OpenContentOptions) => Promise<Content>,
    options: WriteOptions = {},
  ): Promise<boolean> {
    for (;;) {
      options.signal?.throwIfAborted();
      const other = this.#underway.get(expected.digest);
      if (!other) break;
      try {
        await abortable(other.done, options.signal);
        return false;
      } catch (error) {
        // Whoever led was told to stop, not we: lead the next try.
        if (options.signal?.aborted || !other.signal?.aborted) throw error;
      }
    }
    const entry: { done: Promise<void>; signal: AbortSignal | undefined; file?: GrowingFileHandle | undefined } = {
      done: Promise.resolve(),
      signal: options.signal,
    };
    let moved = false;
    const run = async (): Promise<void> => {
      // A file of the right size may hold other bytes; what is written replaces it.
      if (await this.verify(expected, options)) return;
      await this.#ingest(expected, source, options, (file) => {
        entry.file = file.handle;
      });
      moved = true;
    };
    entry.done = run().finally(() => this.#underway.delete(expected.digest));
    this.#underway.set(expected.digest, entry);
    await entry.done;
    return moved;
  }

  /** The file that a download of this digest is filling just now, for readers behind its watermark. */
  growing(digest: Digest): GrowingFileHandle | undefined {
    return this.#underway.get(digest)?.file;
  }

  async #ingest(
    expected: Expected,
    source: (open: OpenContentOptions) => Promise<Content>,
    options: WriteOptions,
    started: (file: GrowingFile) => void,
  ): Promise<void> {
    const { digest } = expected;
    const path = await this.#temporary(this.#partials.name(digest));
    let from = await this.#partials.take(digest, path, expected.size, options.signal);
    for (;;) {
      const file = await (from ? GrowingFile.resume(path, from.offset) : this.#create(path));
      try {
        const content = await source(from ? { from } : {});
        if (from && content.start === 0) {
          await file.startOver();
          from = undefined;
        }
        started(file);
        await content.pipe(
          (chunk) => {
            options.onBytes?.(chunk.byteLength);
            return file.append(chunk);
          },
          { signal: options.signal },
        );
        await file.finish();
        await this.#publish(path, digest);
        file.complete();
        await this.#partials.forget(digest);
        return;
      } catch (thrown) {
        await file.fail();
        const error = await fileSystemError(thrown, `writing blob ${digest} below`, this.root, expected.size);
        const interrupted = !isGantryError(error, "DIGEST_MISMATCH", "SIZE_MISMATCH", "NO_SPACE", "FILE_SYSTEM");
        if (interrupted) await this.#partials.keep(digest, path);
        else await rm(path, { force: true });
        // What an earlier process left may have been damaged since, or its source may not know of parts: it gets a
        // chance to be right on its own.
        if (!from || !isGantryError(error, ...doubtful) || Number(error.details["status"]) >= 500) throw error;
        from = undefined;
        await this.#partials.forget(digest);
        await rm(path, { force: true });
      }
    }
  }

  async #create(path: string): Promise<GrowingFile> {
    try {
      return await GrowingFile.create(path, this.#modes.file);
    } catch (error) {
      throw await fileSystemError(error, "creating", path);
    }
  }

  /** A blob whose digest is not known before its bytes are. */
  async upload(): Promise<BlobUploadFile> {
    const path = await this.#temporary(randomUUID());
    const file = await this.#create(path);
    return new BlobUploadFile(file, (digest) => this.#publish(path, digest));
  }

  /** Where a file of this process is made. */
  async #temporary(name: string): Promise<string> {
    const session = await this.#sessionDirectory();
    // After a sleep of this machine another process may have taken our session for dead.
    if (await lstat(session).catch(() => undefined)) return join(session, name);
    clearInterval(this.#heartbeat);
    this.#session = undefined;
    return join(await this.#sessionDirectory(), name);
  }

  async #publish(temporary: string, digest: Digest): Promise<void> {
    const target = this.path(digest);
    const directory = join(target, "..");
    await this.#requireOwnDirectory(digest);
    if (!this.#ready.has(directory)) await mkdir(directory, { recursive: true, mode: this.#modes.directory });
    await rename(temporary, target);
    this.#touched.add(directory);
  }

  /** Makes the names of published blobs survive a power cut: one fsync a directory, for a whole batch. */
  async sync(): Promise<void> {
    const directories = [...this.#touched];
    this.#touched.clear();
    for (const path of directories) {
      const directory = await open(path, "r");
      await directory.sync().finally(() => directory.close());
    }
  }

  /** Removes a blob; false where there was none. */
  async delete(digest: Digest): Promise<boolean> {
    await this.#requireOwnDirectory(digest);
    try {
      await rm(this.path(digest));
      return true;
    } catch (error) {
      if (errnoOf(error) === "ENOENT") return false;
      throw await fileSystemError(error, "removing", this.path(digest));
    }
  }

  /** Every blob there is, by its name; files whose name is no digest are passed over. */
  async *list(): AsyncGenerator<Digest> {
    for (const algorithm of ["sha256", "sha512"]) {
      const names = await readdir(join(this.root, "blobs", algorithm)).catch(() => []);
      for (const name of names) {
        const digest = `${algorithm}:${name}`;
        if (isDigest(digest)) yield digest;
      }
    }
  }

  /** This process's own directory below `tmp/`, kept alive by a heartbeat; made at the first write. */
  #sessionDirectory(): Promise<string> {
    this.#session ??= this.#startSession();
    const session = this.#session;
    session.catch(() => {
      if (this.#session === session) this.#session = undefined;
    });
    return session;
  }

  async #startSession(): Promise<string> {
    const tmp = join(this.root, "tmp");
    const session = join(tmp, `${SESSION_PREFIX}${randomUUID()}`);
    requireDirectory(tmp);
    try {
      const first = await mkdir(session, { recursive: true, mode: 0o700 });
      this.#madeTmp ||= first !== undefined && first !== session;
    } catch (error) {
      throw await fileSystemError(error, "creating", session);
    }
    this.#heartbeat = setInterval(() => {
      const now = new Date();
      utimes(session, now, now).catch(() => {});
    }, STALE_MS / 6).unref();
    await this.#partials.clean(session);
    return session;
  }

  /** Ends this process's session: what is left in its part of `tmp/` goes. The directory can be used again. */
  async close(): Promise<void> {
    const session = await this.#session?.catch(() => undefined);
    this.#session = undefined;
    clearInterval(this.#heartbeat);
    if (session) {
      await rm(session, { recursive: true, force: true });
      // Others may be at work below tmp/; an empty one that we made has no reason to stay.
      if (this.#madeTmp) await rmdir(join(this.root, "tmp")).catch(() => {});
    }
    await this.sync();
  }
}

/** A blob on its way in. Its sha256 is computed as it comes. */
export class BlobUploadFile {
  readonly file: GrowingFile;
  readonly #publish: (digest: Digest) => Promise<void>;
  readonly #hasher = new Hasher();
  #offset = 0;
  #closed = false;

  constructor(file: GrowingFile, publish: (digest: Digest) => Promise<void>) {
    this.file = file;
    this.#publish = publish;
  }

  /** Bytes taken so far. */
  get offset(): number {
    return this.#offset;
  }

  append(chunk: Uint8Array): void | Promise<void> {
    if (this.#closed) throw new GantryError("BLOB_UPLOAD_UNKNOWN", "the upload has ended; it takes no more bytes");
    this.#hasher.update(chunk);
    this.#offset += chunk.byteLength;
    return this.file.append(chunk);
  }

  /**
   * Ends the upload under a digest that the caller claims; it is proved before anything is published.
   * @param proved called in between, when the bytes have that digest and are not published yet
   * @throws DIGEST_MISMATCH
   */
  async commit(digest: Digest, proved: () => Promise<void> = async () => {}): Promise<void> {
    if (this.#closed) throw new GantryError("BLOB_UPLOAD_UNKNOWN", "the upload has ended already");
    this.#closed = true;
    // From here on nothing can be added, so what was hashed is what is in the file.
    const sha256 = this.#hasher.digest();
    try {
      await this.file.finish();
      const what = `the uploaded blob of ${this.#offset} bytes`;
      const computed = algorithmOf(digest) === "sha256" ? sha256 : await hashFile(this.file.path, digest);
      requireDigest(computed, digest, what);
      await proved();
      await this.#publish(digest);
      this.file.complete();
    } catch (error) {
      await this.cancel();
      throw await fileSystemError(error, "committing an upload to", this.file.path);
    }
  }

  async cancel(): Promise<void> {
    this.#closed = true;
    await this.file.fail();
    await rm(this.file.path, { force: true }).catch((error: unknown) => {
      throw new GantryError("FILE_SYSTEM", `removing ${this.file.path}: ${messageOf(error)}`, { cause: error });
    });
  }
}

async function hashFile(path: string, digest: Digest): Promise<Digest> {
  const content = await fileContent({ digest }, path, { what: path });
  const hasher = new Hasher(algorithmOf(digest));
  await content!.pipe((chunk) => void hasher.update(chunk));
  return hasher.digest();
}
