import { GantryError, isGantryError, messageOf } from "../../base/error.ts";
import { formatBytes } from "../../base/text.ts";
import type { ChunkWriter, Content } from "../../content/content.ts";
import type { BlobSource } from "../../content/source.ts";
import type { RepoName } from "../../reference/reference.ts";
import { mediaTypes } from "../../spec/media-types.ts";
import type { Descriptor } from "../../spec/types.ts";
import type { HttpRequest, HttpResponse } from "../../transport/message.ts";
import type { Transport } from "../../transport/transport.ts";
import type { CallOptions } from "../registry.ts";
import type { UploadMemory } from "./sessions.ts";
import { type Exchange, uploadedBytes, uploadLocation } from "./upload.ts";

/** Blobs up to this size go in one PUT; longer ones are worth taking up again where they broke off. */
export const SINGLE_PUT_BYTES: number = 32 << 20;
/** What a registry is sent at once when it, or what is before it, takes no more, or forgets what broke off. */
const CHUNKS: readonly number[] = [16 << 20, 4 << 20, 1 << 20];
const RESTART_CHUNK = 8 << 20;
/** Bytes that a try must bring to count as progress. */
const MIN_PROGRESS = 64 << 10;
/** Tries in a row without progress. */
const MAX_STALLED = 3;

/** The repository that a blob is pushed to. */
export interface PushTarget {
  readonly name: string;
  readonly repo: RepoName;
  readonly transport: Transport;
  readonly exchange: Exchange;
  /** Where unfinished uploads are remembered for the next process, and under which name. */
  readonly memory?: { readonly uploads: UploadMemory; readonly key: string } | undefined;
  /** Starts an upload. */
  start(options: CallOptions): Promise<HttpResponse>;
  /** Whether the registry has the blob. */
  has(descriptor: Descriptor, options: CallOptions): Promise<boolean>;
}

/**
 * Pushes a blob: in one PUT where it is small, else as a PATCH that goes on, after a broken connection or in another
 * process, where the registry says that it has got to.
 * @see distribution-spec, "Pushing blobs"
 */
export async function pushBlob(
  target: PushTarget,
  descriptor: Descriptor,
  source: BlobSource,
  options: CallOptions,
): Promise<void> {
  if (descriptor.size > SINGLE_PUT_BYTES && source.replayable) {
    if (await new LargePush(target, descriptor, source, options).run()) return;
  }
  await pushWhole(target, descriptor, source, options);
}

/** Whether an error may go away by itself. */
function passes(error: unknown): error is GantryError {
  return (
    isGantryError(error, "CONNECTION_FAILED", "TIMEOUT", "TOO_MANY_REQUESTS", "UNAUTHORIZED") || isServerTrouble(error)
  );
}

const statusOf = (error: unknown): unknown => (isGantryError(error) ? error.details["status"] : undefined);
const isServerTrouble = (error: unknown): error is GantryError =>
  isGantryError(error, "REGISTRY_ERROR") && Number(statusOf(error)) >= 500;

/** A body whose own failure can be told from that of the connection. */
class Sending {
  failure: { readonly error: unknown } | undefined;
  readonly body: HttpRequest["body"];

  constructor(size: number, pump: (write: ChunkWriter, signal?: AbortSignal) => Promise<void>) {
    this.body = {
      size,
      pump: async (write, signal) => {
        let connectionFailed = false;
        try {
          await pump((chunk) => {
            try {
              return write(chunk)?.catch((error: unknown) => {
                connectionFailed = true;
                throw error;
              });
            } catch (error) {
              connectionFailed = true;
              throw error;
            }
          }, signal);
        } catch (error) {
          if (!connectionFailed && !signal?.aborted) this.failure = { error };
          throw error;
        }
      },
    };
  }
}

async function pushWhole(
  target: PushTarget,
  descriptor: Descriptor,
  source: BlobSource,
  options: CallOptions,
): Promise<void> {
  const what = `pushing blob ${descriptor.digest} to ${target.name}/${target.repo}`;
  for (let attempt = 1; ; attempt += 1) {
    const started = await target.start(options);
    await started.discard();
    const url = uploadLocation(started);
    url.searchParams.set("digest", descriptor.digest);
    await using content = await source.open({ signal: options.signal });
    const sending = new Sending(descriptor.size, (write, signal) => content.pipe(write, signal ? { signal } : {}));
    try {
      const headers = { "content-type": mediaTypes.octetStream };
      const patience = patienceFor(descriptor);
      const put = { method: "PUT", url, headers, body: sending.body, patience, ...options } as const;
      await (await target.exchange(put, [201, 204], what)).discard();
      return;
    } catch (error) {
      options.signal?.throwIfAborted();
      if (sending.failure) throw sending.failure.error;
      // A blob is named by its digest: to send it again changes nothing.
      if (!passes(error)) throw error;
      if (await target.has(descriptor, options)) return;
      if (attempt >= MAX_STALLED || !source.replayable) throw broken(error, attempt, what);
      await target.transport.pauseBeforeRetry(attempt, error.message, options.signal);
    }
  }
}

function broken(error: GantryError, attempts: number, what: string): GantryError {
  const tries = attempts === 1 ? "once, and its source cannot be read again" : `${attempts} times`;
  return new GantryError(error.code, `${what}: tried ${tries}, the last time ${error.message}`, {
    cause: error,
    details: error.details,
  });
}

/** Registries hash, and some copy, a blob before they answer: 10 MB/s is slow for that. */
const patienceFor = ({ size }: Descriptor): number => size / 10_000;

/** Where an upload has got to. */
interface Place {
  readonly location: URL;
  readonly offset: number;
}

class LargePush {
  readonly #target: PushTarget;
  readonly #blob: Descriptor;
  readonly #source: BlobSource;
  readonly #options: CallOptions;
  readonly #what: string;
  #memory: PushTarget["memory"];
  #place: Place | undefined;
  /** The most that is sent in one request; all that is left where it is undefined. */
  #chunk: number | undefined;
  /** The least that the registry takes in one, but for the last (`OCI-Chunk-Min-Length`). */
  #minChunk = 0;
  #restarted = false;
  /** The furthest that the upload has ever got. */
  #furthest = 0;
  #content: Content | undefined;
  /** The content before, which knows where it could be taken up. */
  #last: Content | undefined;
  /** Chunks of `#content`, where it is sent in several requests, and what is left of the last. */
  #chunks: AsyncIterator<Uint8Array> | undefined;
  #rest: Uint8Array | undefined;
  /** How far `#content` has been read. */
  #read = 0;

  constructor(target: PushTarget, blob: Descriptor, source: BlobSource, options: CallOptions) {
    this.#target = target;
    this.#blob = blob;
    this.#source = source;
    this.#options = options.signal ? { signal: options.signal } : {};
    this.#what = `blob ${blob.digest} to ${target.name}/${target.repo}`;
    this.#memory = target.memory;
  }

  /** @returns false where the registry takes a blob only whole */
  async run(): Promise<boolean> {
    const release = this.#memory?.uploads.claim(this.#memory.key);
    // Somebody else in this process is at it.
    if (!release) this.#memory = undefined;
    try {
      this.#place = await this.#resumed();
      for (let stalled = 0; ; ) {
        this.#place ??= await this.#start();
        const before = this.#place.offset;
        try {
          if (before < this.#blob.size) await this.#send(this.#place);
          else await this.#commit(this.#place);
          if (this.#place.offset > this.#furthest) {
            this.#furthest = this.#place.offset;
            stalled = 0;
          }
          if (before < this.#blob.size) continue;
          await this.#forget();
          return true;
        } catch (error) {
          this.#options.signal?.throwIfAborted();
          if (error instanceof SourceFailed) throw error.cause;
          if (isGantryError(error, "UNSUPPORTED") && before === 0) return await this.#cannot();
          const tooLarge = statusOf(error) === 413;
          const lost = isGantryError(error, "BLOB_UPLOAD_UNKNOWN", "BLOB_UPLOAD_INVALID");
          const disagrees = isGantryError(error, "RANGE_INVALID", "DIGEST_MISMATCH", "SIZE_MISMATCH");
          if (!tooLarge && !lost && !disagrees && !passes(error)) throw error;
          if (before >= this.#blob.size && (await this.#committed(error))) {
            await this.#forget();
            return true;
          }
          const forgotten = lost || (disagrees && before >= this.#blob.size);
          const known = forgotten ? undefined : await this.#statusUnlessDown(this.#place);
          // What is refused for its size changes nothing of what is there.
          const now = known ?? (tooLarge ? this.#place : undefined);
          if (!now) {
            this.#restart(error);
            stalled += 1;
          } else {
            // What was there before, and has to be sent again, is no progress.
            const progress = now.offset - this.#furthest;
            this.#furthest = Math.max(this.#furthest, now.offset);
            stalled = progress >= MIN_PROGRESS ? 0 : stalled + (tooLarge ? 0 : 1);
            // Nothing came through, or what did was refused for its size: less may.
            if (tooLarge || progress < MIN_PROGRESS) this.#shrink(tooLarge, error);
            this.#place = now;
          }
          if (stalled > MAX_STALLED) throw this.#gaveUp(error);
          if (!tooLarge) {
            const got = `${this.#what} broke off (${messageOf(error)})`;
            await this.#target.transport.pauseBeforeRetry(Math.max(1, stalled), got, this.#options.signal);
          }
        }
      }
    } finally {
      await this.#closeContent();
      release?.();
    }
  }

  /** Where an earlier process left this upload off, if the registry still knows of it. */
  async #resumed(): Promise<Place | undefined> {
    const saved = await this.#memory?.uploads.load(this.#memory.key);
    if (!saved) return undefined;
    const found = await this.#status({ location: new URL(saved), offset: 0 }).catch((error: unknown) => {
      this.#options.signal?.throwIfAborted();
      if (!isGantryError(error)) throw error;
      return undefined;
    });
    if (!found) await this.#forget();
    const done = found ? `${formatBytes(found.offset)} of it are there` : "the registry has forgotten it";
    this.#target.transport.warn(`${this.#what}: an earlier upload was left unfinished; ${done}`);
    return found;
  }

  async #start(): Promise<Place> {
    const response = await this.#target.start(this.#options);
    await response.discard();
    const least = response.headers["oci-chunk-min-length"];
    if (least && /^\d{1,12}$/.test(least)) this.#minChunk = Number(least);
    return this.#at(uploadLocation(response), 0);
  }

  async #at(location: URL, offset: number): Promise<Place> {
    await this.#memory?.uploads.save(this.#memory.key, location.href);
    return { location, offset };
  }

  async #forget(): Promise<void> {
    await this.#memory?.uploads.forget(this.#memory.key);
  }

  /** What the registry says that it has; undefined where it does not say, or knows of no such upload. */
  async #status(place: Place): Promise<Place | undefined> {
    const asked = `asking how far ${this.#what} has got`;
    try {
      const request = { method: "GET", url: place.location, ...this.#options } as const;
      const response = await this.#target.exchange(request, [200, 202, 204], asked);
      await response.discard();
      const said = uploadedBytes(response);
      // 0-0 is how nothing is written, too.
      const there = said === 1 ? 0 : said;
      if (there === undefined || there > this.#blob.size) return undefined;
      const { location } = response.headers;
      return await this.#at(location ? uploadLocation(response) : place.location, there);
    } catch (error) {
      this.#options.signal?.throwIfAborted();
      if (!isGantryError(error) || Number(statusOf(error)) >= 500 || statusOf(error) === undefined) throw error;
      return undefined;
    }
  }

  /** The last place that is known, where the registry cannot be asked just now. */
  async #statusUnlessDown(place: Place): Promise<Place | undefined> {
    try {
      return await this.#status(place);
    } catch (error) {
      if (!passes(error)) throw error;
      return place;
    }
  }

  /** Sends what is left, or a chunk of it. */
  async #send(place: Place): Promise<void> {
    const { offset } = place;
    const left = this.#blob.size - offset;
    const size = this.#chunk === undefined ? left : Math.min(left, Math.max(this.#chunk, this.#minChunk));
    const whole = size === left;
    await this.#openAt(offset, whole);
    const sending = new Sending(size, (write, signal) =>
      whole && !this.#chunks ? this.#pipe(offset, write, signal) : this.#pipeChunk(size, write),
    );
    const headers: Record<string, string> = {
      "content-type": mediaTypes.octetStream,
      // All at once is how everybody sends a blob, and nobody gives a range then: some registries do not expect one.
      ...(size < this.#blob.size && { "content-range": `${offset}-${offset + size - 1}` }),
      // A connection that is cut after so many bytes is used for few.
      ...(this.#chunk !== undefined && { connection: "close" }),
    };
    try {
      const request = { method: "PATCH", url: place.location, headers, body: sending.body, ...this.#options } as const;
      const response = await this.#target.exchange(request, [201, 202, 204], `pushing ${this.#what}`);
      await response.discard();
      // What the registry says that it has is not asked here: some say it wrong, and all of them check the digest.
      const { location } = response.headers;
      this.#place = await this.#at(location ? uploadLocation(response) : place.location, offset + size);
    } catch (error) {
      const { failure } = sending;
      await this.#closeContent();
      if (failure) throw new SourceFailed(failure.error);
      throw error;
    }
    if (whole) await this.#closeContent();
  }

  /** Makes sure that `#content` goes on at `offset`. */
  async #openAt(offset: number, whole: boolean): Promise<void> {
    if (this.#chunks && this.#read === offset) return;
    await this.#closeContent();
    const from = this.#last?.checkpoint(offset);
    try {
      this.#content = await this.#source.open({ ...this.#options, ...(from && { from }) });
    } catch (error) {
      throw new SourceFailed(error);
    }
    this.#content.keepCheckpoints();
    this.#read = this.#content.start;
    if (!whole) this.#chunks = this.#content[Symbol.asyncIterator]();
  }

  async #pipe(offset: number, write: ChunkWriter, signal?: AbortSignal): Promise<void> {
    let skip = offset - this.#content!.start;
    await this.#content!.pipe(
      (chunk) => {
        const fresh = skip >= chunk.byteLength ? undefined : chunk.subarray(skip);
        skip = Math.max(0, skip - chunk.byteLength);
        return fresh && write(fresh);
      },
      signal ? { signal } : {},
    );
  }

  async #pipeChunk(size: number, write: ChunkWriter): Promise<void> {
    const offset = this.#place!.offset;
    const chunks = this.#chunks!;
    for (const end = offset + size; this.#read < end; ) {
      const next = this.#rest ?? (await chunks.next()).value;
      // A request that was given up must not take what belongs to the next.
      if (!next || this.#chunks !== chunks) return;
      const from = Math.max(0, Math.min(next.byteLength, offset - this.#read));
      const to = Math.min(next.byteLength, end - this.#read);
      this.#read += to;
      this.#rest = to < next.byteLength ? next.subarray(to) : undefined;
      if (to > from) await write(next.subarray(from, to));
    }
  }

  async #closeContent(): Promise<void> {
    const chunks = this.#chunks;
    const content = this.#content;
    this.#last = content ?? this.#last;
    this.#content = undefined;
    this.#chunks = undefined;
    this.#rest = undefined;
    await content?.cancel();
    await chunks?.return?.().catch(() => {});
  }

  /** Whether a commit that seems to have failed was only slow: the registry may still be at it. */
  async #committed(error: unknown): Promise<boolean> {
    const tries = isGantryError(error, "TIMEOUT", "CONNECTION_FAILED") || isServerTrouble(error) ? MAX_STALLED : 1;
    for (let attempt = 1; ; attempt += 1) {
      if (await this.#target.has(this.#blob, this.#options)) return true;
      if (attempt >= tries) return false;
      const asked = `committing ${this.#what} (${messageOf(error)}); looking whether it is there`;
      await this.#target.transport.pauseBeforeRetry(attempt, asked, this.#options.signal);
    }
  }

  async #commit({ location }: Place): Promise<void> {
    const url = new URL(location);
    url.searchParams.set("digest", this.#blob.digest);
    const request = {
      method: "PUT",
      url,
      body: Buffer.alloc(0),
      patience: patienceFor(this.#blob),
      ...this.#options,
    } as const;
    await (await this.#target.exchange(request, [201, 204], `committing ${this.#what}`)).discard();
  }

  /** Once more from the first byte, in chunks: what a request brought to its end is not forgotten with the next. */
  #restart(error: unknown): void {
    if (this.#restarted) throw isGantryError(error, "DIGEST_MISMATCH", "SIZE_MISMATCH") ? error : this.#gaveUp(error);
    this.#restarted = true;
    this.#furthest = 0;
    this.#place = undefined;
    this.#chunk = RESTART_CHUNK;
    this.#target.transport.warn(
      `${this.#target.name} did not keep what it had of ${this.#what}; sending it from the start again, once`,
    );
  }

  #shrink(tooLarge: boolean, error: unknown): void {
    const smaller = CHUNKS.find((size) => size < (this.#chunk ?? this.#blob.size));
    const least = Math.min(this.#chunk ?? this.#blob.size, Math.max(this.#minChunk, CHUNKS.at(-1)!));
    if (smaller !== undefined && smaller >= this.#minChunk) this.#chunk = smaller;
    else if (tooLarge) {
      throw new GantryError(
        "REGISTRY_ERROR",
        `pushing ${this.#what}: ${formatBytes(least)} in one request are too much for it or for a proxy before it, and less is not allowed; raise its limit (nginx: client_max_body_size)`,
        { cause: error, details: { status: 413 } },
      );
    }
  }

  /** For registries that take no PATCH. */
  async #cannot(): Promise<false> {
    await this.#forget();
    this.#target.transport.warn(`${this.#target.name} takes blobs only whole; ${this.#what} cannot be resumed`);
    return false;
  }

  #gaveUp(error: unknown): GantryError {
    const there = this.#place?.offset ?? 0;
    const advice =
      there > 0
        ? `; ${formatBytes(there)} of ${formatBytes(this.#blob.size)} are there, and the next try within a day goes on from them`
        : "; the registry keeps nothing of what breaks off, so it has to come through at once";
    return new GantryError(
      "TRANSFER_INTERRUPTED",
      `pushing ${this.#what} broke off again and again (${messageOf(error)})${advice}`,
      {
        cause: error,
        details: { uploaded: there },
      },
    );
  }
}

/** The bytes could not be had; nothing is wrong with where they go. */
class SourceFailed extends Error {
  constructor(cause: unknown) {
    super("the source failed", { cause });
  }
}
