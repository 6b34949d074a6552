import type { IncomingMessage } from "node:http";
import { GantryError, isGantryError } from "../base/error.ts";
import { checkLimit, defaultLimits } from "../base/limits.ts";
import type { ChunkWriter } from "../content/chunk-writer.ts";
import type { Body } from "../content/content.ts";
import type { HttpResponse } from "./message.ts";

/** Bytes that must arrive in each idle timeout, so that a server with a few bytes at a time does not hold a client. */
const MIN_PROGRESS = 16 << 10;

/** A body that is read whole must arrive within this many idle timeouts. */
const DEADLINE_IDLES = 3;

interface ResponseFacts {
  readonly url: URL;
  readonly isPrivate: boolean;
  /** The request, for messages. */
  readonly asked: string;
  /** Takes secrets out of a text. */
  readonly redact: (text: string) => string;
  /** The idle timeout, in milliseconds. */
  readonly idle: number;
  /** The signal of the request. It also stops reading the response. */
  readonly signal: AbortSignal | undefined;
  /** Releases the slot of the host. */
  readonly release: () => void;
}

/** A response and its body. The slot of its host is released when the data ends or the connection closes. */
export class Incoming implements HttpResponse, Body {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly url: URL;
  readonly body: Body = this;
  readonly isPrivate: boolean;
  readonly redact: (text: string) => string;
  readonly #message: IncomingMessage;
  readonly #asked: string;
  readonly #idle: number;
  readonly #signal: AbortSignal | undefined;
  readonly #release: () => void;

  constructor(message: IncomingMessage, about: ResponseFacts) {
    this.#message = message;
    this.status = message.statusCode ?? 0;
    this.headers = message.headers as Record<string, string | undefined>;
    this.url = about.url;
    this.isPrivate = about.isPrivate;
    this.redact = about.redact;
    this.#asked = about.asked;
    this.#idle = about.idle;
    this.#signal = about.signal;
    this.#release = about.release;
    message.on("error", () => {});
    message.once("end", about.release);
    message.once("close", about.release);
  }

  pump(write: ChunkWriter, signal?: AbortSignal): Promise<void> {
    const message = this.#message;
    return new Promise((resolve, reject) => {
      let timer: NodeJS.Timeout;
      let waiting: Promise<void> | undefined;
      let ended = false;
      let settled = false;
      let came = 0;
      const settle = (error?: unknown): void => {
        if (settled) return;
        settled = true;
        clearTimeout(timer);
        signal?.removeEventListener("abort", onAbort);
        message.off("data", onData).off("end", onEnd).off("close", onClose);
        if (error === undefined) return resolve();
        message.destroy();
        // After a failure the caller may write to the same place again, so the pending write must end first.
        const fail = (): void => reject(error);
        if (waiting) waiting.then(fail, fail);
        else fail();
      };
      const onAbort = (): void => settle(signal?.reason);
      const watch = (): void => {
        clearTimeout(timer);
        came = 0;
        timer = setTimeout(() => {
          if (came >= MIN_PROGRESS) return watch();
          const what = came === 0 ? "no data" : `only ${came} bytes`;
          settle(new GantryError("TRANSFER_INTERRUPTED", `${this.#asked}: ${what} in ${this.#idle / 1000} s`));
        }, this.#idle);
      };
      const onData = (chunk: Buffer): void => {
        came += chunk.length;
        try {
          const pending = write(chunk);
          if (!pending) return;
          waiting = pending;
          clearTimeout(timer);
          message.pause();
          pending.then(
            () => {
              waiting = undefined;
              if (settled) return;
              if (ended) return onEnd();
              watch();
              message.resume();
            },
            (error: unknown) => {
              waiting = undefined;
              settle(error);
            },
          );
        } catch (error) {
          settle(error);
        }
      };
      const onEnd = (): void => {
        ended = true;
        if (waiting) return;
        settle(message.complete ? undefined : this.#cut());
      };
      const onClose = (): void => {
        if (!ended) settle(this.#cut());
      };
      message.on("data", onData).on("end", onEnd).on("close", onClose);
      signal?.addEventListener("abort", onAbort, { once: true });
      watch();
      if (signal?.aborted) onAbort();
      else if (message.readableEnded) settle();
      else if (message.destroyed) settle(this.#cut());
    });
  }

  #cut(): GantryError {
    const { errored } = this.#message;
    // This client closed the connection, and this is why.
    if (isGantryError(errored)) return errored;
    return new GantryError("TRANSFER_INTERRUPTED", `${this.#asked}: the connection closed before the end of the data`);
  }

  async bytes(limit: number, what: string): Promise<Buffer> {
    const chunks: Buffer[] = [];
    let length = 0;
    // A body that is read whole is short, so it has a deadline too.
    const deadline = new AbortController();
    const timer = setTimeout(() => {
      const seconds = (DEADLINE_IDLES * this.#idle) / 1000;
      deadline.abort(new GantryError("TRANSFER_INTERRUPTED", `${this.#asked}: the body took longer than ${seconds} s`));
    }, DEADLINE_IDLES * this.#idle);
    try {
      await this.pump(
        (chunk) => {
          length += chunk.byteLength;
          checkLimit({ ...defaultLimits, metadataBytes: limit }, "metadataBytes", length, what);
          chunks.push(chunk as Buffer);
        },
        this.#signal ? AbortSignal.any([this.#signal, deadline.signal]) : deadline.signal,
      );
    } finally {
      clearTimeout(timer);
      this.close();
    }
    return Buffer.concat(chunks, length);
  }

  /** A short body is read to its end, so that the connection can be used again; a long one is cut off. */
  async discard(): Promise<void> {
    let length = 0;
    await this.pump((chunk) => {
      length += chunk.byteLength;
      if (length > 64 << 10) throw new Error("too long");
    }, this.#signal).catch(() => {});
    this.close();
  }

  close(): void {
    this.#release();
    if (!this.#message.readableEnded) this.#message.destroy();
  }
}
