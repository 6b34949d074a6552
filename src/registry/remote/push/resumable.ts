import { GantryError, isGantryError, messageOf } from "../../../base/error.ts";
import { formatBytes } from "../../../base/text.ts";
import type { BlobSource } from "../../../content/source.ts";
import type { Descriptor } from "../../../spec/types.ts";
import type { CallOptions } from "../../registry.ts";
import { advanced, afterFailure, leastChunk, startOf, type UploadProgress } from "./after-failure.ts";
import { failureOf, isTransient, isUndecided } from "./failure.ts";
import { SourceCursor } from "./source-cursor.ts";
import type { PushTarget } from "./target.ts";
import { SourceFailed, UploadRequests } from "./upload-requests.ts";

/** How many times the registry is asked whether it has a blob whose commit seems to have failed. */
const MAX_LOOKS = 3;

/**
 * Pushes one large blob as an upload: in as few requests as the registry accepts, and resumed at the position that the
 * registry reports. {@link afterFailure} decides how it continues after a failure.
 */
export class ResumablePush {
  readonly #target: PushTarget;
  readonly #blob: Descriptor;
  readonly #signal: AbortSignal | undefined;
  readonly #what: string;
  readonly #cursor: SourceCursor;
  readonly #requests: UploadRequests;
  #memory: PushTarget["memory"];
  #progress: UploadProgress;
  /** The URL for the next request; undefined before the upload is started or restarted. */
  #location: URL | undefined;

  constructor(target: PushTarget, blob: Descriptor, source: BlobSource, { signal }: CallOptions) {
    this.#target = target;
    this.#blob = blob;
    this.#signal = signal;
    this.#what = `blob ${blob.digest} to ${target.name}/${target.repo}`;
    this.#cursor = new SourceCursor(source, signal);
    this.#requests = new UploadRequests(target, blob, this.#cursor, { what: this.#what, signal });
    this.#memory = target.memory;
    this.#progress = startOf(blob.size);
  }

  /** @returns false where the registry takes a blob only in one request */
  async run(): Promise<boolean> {
    const release = this.#memory?.uploads.claim(this.#memory.key);
    // Another push of this process uses the remembered upload.
    if (!release) this.#memory = undefined;
    try {
      await this.#resumeRemembered();
      let pushed: boolean | undefined;
      while (pushed === undefined) pushed = await this.#step();
      return pushed;
    } finally {
      await this.#cursor.close();
      release?.();
    }
  }

  /** Sends one request and handles its failure. @returns the result of `run`; undefined where more requests follow */
  async #step(): Promise<boolean | undefined> {
    const location = this.#location ?? (await this.#start());
    const { offset, size } = this.#progress;
    try {
      if (offset < size) {
        await this.#moveTo(await this.#requests.send(location, this.#progress));
        return undefined;
      }
      await this.#requests.commit(location);
      await this.#forget();
      return true;
    } catch (error) {
      this.#signal?.throwIfAborted();
      if (error instanceof SourceFailed) throw error.cause;
      return this.#recover(error, location);
    }
  }

  async #start(): Promise<URL> {
    const { location, minChunk } = await this.#requests.start();
    this.#progress = { ...this.#progress, offset: 0, minChunk: minChunk ?? this.#progress.minChunk };
    return this.#remember(location);
  }

  async #moveTo({ location, offset }: { readonly location: URL; readonly offset: number }): Promise<void> {
    await this.#remember(location);
    this.#progress = advanced(this.#progress, offset);
  }

  async #remember(location: URL): Promise<URL> {
    this.#location = location;
    await this.#memory?.uploads.save(this.#memory.key, location.href);
    return location;
  }

  async #forget(): Promise<void> {
    await this.#memory?.uploads.forget(this.#memory.key);
  }

  /** Resumes the upload of an earlier process, if the registry still knows it. */
  async #resumeRemembered(): Promise<void> {
    const saved = await this.#memory?.uploads.load(this.#memory.key);
    if (!saved) return;
    const found = await this.#requests.status(new URL(saved)).catch((error: unknown) => {
      this.#signal?.throwIfAborted();
      if (!isGantryError(error)) throw error;
      return undefined;
    });
    if (found) {
      await this.#remember(found.location);
      this.#progress = { ...this.#progress, offset: found.offset };
    } else await this.#forget();
    const state = found ? `the registry has ${formatBytes(found.offset)} of it` : "the registry has forgotten it";
    this.#target.transport.warn(`${this.#what}: an earlier upload was left unfinished; ${state}`);
  }

  async #recover(error: unknown, location: URL): Promise<boolean | undefined> {
    const before = this.#progress;
    const failure = failureOf(error, before);
    if (failure === "final") throw error;
    if (failure === "whole only") {
      await this.#forget();
      this.#target.transport.warn(
        `${this.#target.name} takes a blob only in one request; ${this.#what} cannot be resumed`,
      );
      return false;
    }
    if (before.offset >= before.size && (await this.#isCommitted(error))) {
      await this.#forget();
      return true;
    }
    const reported = failure === "forgotten" ? undefined : await this.#reported(location);
    const next = afterFailure(failure, before, reported);
    if (next.step === "give up") throw this.#gaveUp(error, next.reason, next.offset);
    this.#progress = next.progress;
    if (next.step === "restart") {
      this.#location = undefined;
      this.#target.transport.warn(
        `${this.#target.name} lost the bytes that it had of ${this.#what}; sending it from the start once more`,
      );
    }
    if (failure !== "too large") {
      const reason = `${this.#what} broke off (${messageOf(error)})`;
      await this.#target.transport.pauseBeforeRetry(Math.max(1, next.progress.stalled), reason, this.#signal);
    }
    return undefined;
  }

  /** The bytes that the registry reports; where it cannot be asked now, those that were known before. */
  async #reported(location: URL): Promise<number | undefined> {
    try {
      const found = await this.#requests.status(location);
      if (found) await this.#remember(found.location);
      return found?.offset;
    } catch (error) {
      if (!isTransient(error)) throw error;
      return this.#progress.offset;
    }
  }

  /** Whether a commit that seems to have failed was only slow. The registry may still be processing it. */
  async #isCommitted(error: unknown): Promise<boolean> {
    const looks = isUndecided(error) ? MAX_LOOKS : 1;
    for (let look = 1; ; look += 1) {
      if (await this.#target.has(this.#blob, { signal: this.#signal })) return true;
      if (look >= looks) return false;
      const reason = `committing ${this.#what} (${messageOf(error)}); asking whether the registry has it`;
      await this.#target.transport.pauseBeforeRetry(look, reason, this.#signal);
    }
  }

  #gaveUp(error: unknown, reason: "stalled" | "forgotten" | "too large", uploaded: number): unknown {
    if (reason === "too large") {
      const least = formatBytes(leastChunk(this.#progress));
      return new GantryError(
        "REGISTRY_ERROR",
        `pushing ${this.#what}: the registry, or a proxy before it, refuses a request of ${least}, and smaller requests are not possible; raise its limit (nginx: client_max_body_size)`,
        { cause: error, details: { status: 413 } },
      );
    }
    // The registry has hashed all bytes twice, and they were wrong twice.
    if (reason === "forgotten" && isGantryError(error, "DIGEST_MISMATCH", "SIZE_MISMATCH")) return error;
    const advice =
      uploaded > 0
        ? `the registry has ${formatBytes(uploaded)} of ${formatBytes(this.#blob.size)}, and a push within a day resumes it`
        : "the registry keeps no interrupted upload, so the next push starts again";
    return new GantryError(
      "TRANSFER_INTERRUPTED",
      `pushing ${this.#what} broke off too often (${messageOf(error)}); ${advice}`,
      { cause: error, details: { uploaded } },
    );
  }
}
