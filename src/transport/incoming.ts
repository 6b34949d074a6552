import type { IncomingMessage } from "node:http";
import { GantryError } from "../base/error.ts";
import { checkLimit, defaultLimits } from "../base/limits.ts";
import type { Body, ChunkWriter } from "../content/content.ts";
import type { HttpResponse } from "./transport.ts";

/** A response whose body has not been read. The slot of its host is given back at the end of the data. */
export class Incoming implements HttpResponse, Body {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly url: URL;
  readonly body: Body = this;
  readonly #message: IncomingMessage;
  readonly #asked: string;
  readonly #idle: number;
  readonly #release: () => void;

  constructor(message: IncomingMessage, url: URL, asked: string, idle: number, release: () => void) {
    this.#message = message;
    this.status = message.statusCode ?? 0;
    this.headers = message.headers as Record<string, string | undefined>;
    this.url = url;
    this.#asked = asked;
    this.#idle = idle;
    this.#release = release;
    message.on("error", () => {});
    message.once("end", release);
    message.once("close", release);
  }

  pump(write: ChunkWriter, signal?: AbortSignal): Promise<void> {
    const message = this.#message;
    return new Promise((resolve, reject) => {
      let timer: NodeJS.Timeout;
      let waiting: Promise<void> | undefined;
      let ended = false;
      let settled = false;
      const settle = (error?: unknown): void => {
        if (settled) return;
        settled = true;
        clearTimeout(timer);
        signal?.removeEventListener("abort", onAbort);
        message.off("data", onData).off("end", onEnd).off("close", onClose);
        if (error === undefined) return resolve();
        message.destroy();
        // A writer that is still busy with its chunk must be done before anybody hands it the next one.
        const fail = (): void => reject(error);
        if (waiting) waiting.then(fail, fail);
        else fail();
      };
      const onAbort = (): void => settle(signal?.reason);
      const watch = (): void => {
        clearTimeout(timer);
        timer = setTimeout(() => {
          settle(new GantryError("TRANSFER_INTERRUPTED", `${this.#asked}: no data for ${this.#idle / 1000} s`));
        }, this.#idle);
      };
      const onData = (chunk: Buffer): void => {
        timer.refresh();
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

  #cut(): GantryError<"TRANSFER_INTERRUPTED"> {
    return new GantryError("TRANSFER_INTERRUPTED", `${this.#asked}: the connection ended before the data did`);
  }

  async bytes(limit: number, what: string): Promise<Buffer> {
    const chunks: Buffer[] = [];
    let length = 0;
    try {
      await this.pump((chunk) => {
        length += chunk.byteLength;
        checkLimit({ ...defaultLimits, metadataBytes: limit }, "metadataBytes", length, what);
        chunks.push(chunk as Buffer);
      });
    } finally {
      this.close();
    }
    return Buffer.concat(chunks, length);
  }

  /** A short body is read to its end, so that the connection can serve again; a long one is cut. */
  async discard(): Promise<void> {
    let length = 0;
    await this.pump((chunk) => {
      length += chunk.byteLength;
      if (length > 64 << 10) throw new Error("too long");
    }).catch(() => {});
    this.close();
  }

  close(): void {
    this.#release();
    if (!this.#message.readableEnded) this.#message.destroy();
  }
}
