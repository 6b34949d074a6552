import { type FileHandle, open, rm } from "node:fs/promises";
import { abortable } from "../base/async.ts";
import { errnoOf, isGantryError } from "../base/error.ts";
import type { Digest } from "../spec/digest.ts";
import { fileSystemError } from "../sys/fs-error.ts";
import type { Content, Expected } from "./content.ts";
import { Follower } from "./follower.ts";
import { GrowingFile } from "./growing-file.ts";
import type { Partials } from "./partials.ts";
import type { OpenContentOptions } from "./source.ts";

/** The codes that a source may throw because it cannot resume, or because the partial download was wrong. */
const doubtful = ["DIGEST_MISMATCH", "RANGE_INVALID", "INVALID_RESPONSE", "REGISTRY_ERROR"] as const;

/** The directory that a blob is written to. */
export interface IngestTarget {
  readonly root: string;
  readonly partials: Partials;
  create(path: string): Promise<GrowingFile>;
  /** The path of a new file of this process. */
  temporary(name: string): Promise<string>;
  /** Whether an existing blob has the right bytes; undefined if it is missing. */
  verify(expected: Expected, options: { readonly signal?: AbortSignal | undefined }): Promise<boolean | undefined>;
  publish(temporary: string, digest: Digest): Promise<void>;
}

export interface WriteOptions {
  readonly signal?: AbortSignal | undefined;
  /** Receives the length of each chunk as it arrives. */
  readonly onBytes?: ((count: number) => void) | undefined;
}

/** Opens the content of a blob; if it can, at the checkpoint `from`. */
export type OpenSource = (options: OpenContentOptions) => Promise<Content>;

/** A file that is being filled, for followers. */
interface Filling {
  readonly file: GrowingFile;
  readonly size: number | undefined;
}

/** Writes one blob: resumes a partial download, verifies, publishes. The constructor starts the write. */
export class Ingest {
  readonly signal: AbortSignal | undefined;
  /** Settles when the write has ended: true if it moved bytes, false if the blob existed. */
  readonly done: Promise<boolean>;
  readonly #target: IngestTarget;
  readonly #expected: Expected;
  readonly #source: OpenSource;
  readonly #options: WriteOptions;
  readonly #filling: Promise<Filling | undefined>;
  /** Called when the source has been opened, and so is known to resume or not. */
  #started: (filling: Filling) => void = () => {};
  #ended = false;

  /** @param onEnd called before `done` settles */
  constructor(target: IngestTarget, expected: Expected, source: OpenSource, options: WriteOptions, onEnd: () => void) {
    this.#target = target;
    this.#expected = expected;
    this.#source = source;
    this.#options = options;
    this.signal = options.signal;
    const started = new Promise<Filling>((resolve) => {
      this.#started = resolve;
    });
    this.done = this.#run().finally(() => {
      this.#ended = true;
      onEnd();
    });
    this.#filling = Promise.race([started, this.done.then(() => undefined)]);
    // Without followers no caller waits for it, so its failure must not count as unhandled.
    this.#filling.catch(() => {});
  }

  /** Undefined if the blob exists by now. @throws the error of the write, the signal's reason */
  async follow(signal?: AbortSignal): Promise<Follower | undefined> {
    const filling = await abortable(this.#filling, signal);
    const handle = filling && (await this.#open(filling.file.path));
    // Once this write has ended the path may belong to another one.
    if (!handle || this.#ended || signal?.aborted) {
      await handle?.close();
      await abortable(this.done, signal);
      return undefined;
    }
    const { file, size } = filling;
    return new Follower(
      handle,
      { shared: file.shared, size },
      this.done.then(() => {}),
    );
  }

  /** Undefined if the file was published or removed in the meantime. */
  async #open(path: string): Promise<FileHandle | undefined> {
    try {
      return await open(path, "r");
    } catch (error) {
      if (errnoOf(error) === "ENOENT") return undefined;
      throw await fileSystemError(error, "opening", path);
    }
  }

  async #run(): Promise<boolean> {
    // A file of the right size may hold wrong bytes; the write replaces it.
    if (await this.#target.verify(this.#expected, { signal: this.signal })) return false;
    const { partials } = this.#target;
    const { digest, size } = this.#expected;
    const path = await this.#target.temporary(partials.name(digest));
    let from = await partials.take(digest, path, size, this.signal);
    const file = await (from ? this.#resume(path, from.offset) : this.#target.create(path));
    for (let again = false; ; again = true) {
      try {
        if (again) await file.startOver();
        await using content = await this.#source({ from });
        if (from && content.start === 0) {
          await file.startOver();
          from = undefined;
        }
        await this.#fill(file, content);
        await this.#target.publish(path, digest);
        file.complete();
        await partials.forget(digest);
        return true;
      } catch (thrown) {
        const error = await fileSystemError(thrown, `writing blob ${digest} below`, this.#target.root, size);
        // The partial download may be damaged, or its source may not be able to resume: retry once without it.
        if (from && isGantryError(error, ...doubtful) && !(Number(error.details["status"]) >= 500)) {
          from = undefined;
          await partials.forget(digest);
          continue;
        }
        await file.fail();
        const isWorthless = isGantryError(error, "DIGEST_MISMATCH", "SIZE_MISMATCH", "NO_SPACE", "FILE_SYSTEM");
        if (isWorthless) await rm(path, { force: true });
        else await partials.keep(digest, path);
        throw error;
      }
    }
  }

  async #resume(path: string, length: number): Promise<GrowingFile> {
    try {
      return await GrowingFile.resume(path, length);
    } catch (error) {
      throw await fileSystemError(error, "resuming", path);
    }
  }

  async #fill(file: GrowingFile, content: Content): Promise<void> {
    // A write that was aborted meanwhile gets no followers.
    this.signal?.throwIfAborted();
    this.#started({ file, size: this.#expected.size ?? content.descriptor.size });
    await content.pipe(
      (chunk) => {
        this.#options.onBytes?.(chunk.byteLength);
        return file.append(chunk);
      },
      { signal: this.signal },
    );
    await file.finish();
  }
}

/** The writes of a directory that are under way, one for each digest. */
export class Ingests {
  readonly #target: IngestTarget;
  readonly #underway = new Map<Digest, Ingest>();

  constructor(target: IngestTarget) {
    this.#target = target;
  }

  /** Joins the write of this digest that is under way, or starts one. Returns whether this call moved the bytes. */
  async write(expected: Expected, source: OpenSource, options: WriteOptions): Promise<boolean> {
    const { digest } = expected;
    for (;;) {
      options.signal?.throwIfAborted();
      const other = this.#underway.get(digest);
      if (!other) break;
      try {
        await abortable(other.done, options.signal);
        return false;
      } catch (error) {
        // If only the other call was aborted, this one continues.
        if (options.signal?.aborted || !other.signal?.aborted) throw error;
      }
    }
    const ingest = new Ingest(this.#target, expected, source, options, () => this.#underway.delete(digest));
    this.#underway.set(digest, ingest);
    return await ingest.done;
  }

  async follow(digest: Digest, signal?: AbortSignal): Promise<Follower | undefined> {
    let ingest = this.#underway.get(digest);
    while (ingest) {
      try {
        return await ingest.follow(signal);
      } catch (error) {
        if (signal?.aborted || !ingest.signal?.aborted) throw error;
        // A call that waited for the aborted write has started its own by the next turn of the event loop.
        await new Promise((resolve) => setImmediate(resolve));
        ingest = this.#underway.get(digest);
        if (!ingest) throw error;
      }
    }
    return undefined;
  }
}
