import { Agent as HttpAgent, request as httpRequest, type IncomingMessage, type RequestOptions } from "node:http";
import type { Agent as HttpsAgent } from "node:https";
import { Semaphore, sleep } from "../base/async.ts";
import { errnoOf, GantryError, isGantryError, messageOf } from "../base/error.ts";
import { checkLimit, defaultLimits, type Limits } from "../base/limits.ts";
import type { Progress } from "../base/progress.ts";
import { version } from "../base/version.ts";
import type { Body, ChunkWriter } from "../content/content.ts";
import { Incoming } from "./incoming.ts";
import { redactUrl } from "./redact.ts";
import { nextHop } from "./redirect.ts";

/** Some registries send 20 KB of headers; Node's default is 16 KiB. */
const MAX_HEADER_SIZE = 64 << 10;
const RETRY_STATUS: ReadonlySet<number> = new Set([408, 425, 429, 500, 502, 503, 504]);
const REDIRECT_STATUS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

export interface TransportOptions {
  readonly limits?: Limits;
  /** Milliseconds until response headers must have come. Default 30,000. */
  readonly headerTimeout?: number;
  /** Milliseconds between two pieces of a body. Default 60,000. */
  readonly idleTimeout?: number;
  /** Tries for a request that may be repeated. Default 3. */
  readonly attempts?: number;
  /** Milliseconds before the second try; doubled, with jitter, for each further one. Default 500. */
  readonly backoff?: number;
  /** The longest wait, in milliseconds, that a Retry-After may ask for. Default 120,000. */
  readonly maxRetryAfter?: number;
  /** Requests to one host at once, bodies included. Default 8. */
  readonly maxPerHost?: number;
  /** The certificates to trust, as PEM; asked when TLS is first spoken. Default: those of Node. */
  readonly ca?: () => Promise<readonly string[]>;
  readonly progress?: Progress;
  /** Called with one redacted line for each response. */
  readonly debug?: (line: string) => void;
}

export type Method = "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE";

export interface HttpRequest {
  readonly method: Method;
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent only to the origin of `url`; never to where a redirect leads. */
  readonly authorization?: string;
  /** The body: bytes, or a pump with its length in bytes (chunked where the length is unknown). */
  readonly body?:
    | Uint8Array
    | { readonly size?: number; pump(write: ChunkWriter, signal?: AbortSignal): Promise<void> };
  /** Whether sending it again is harmless. Default: yes for GET and HEAD. */
  readonly repeatable?: boolean;
  readonly signal?: AbortSignal;
}

export interface HttpResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** Where the response came from, after redirects. */
  readonly url: URL;
  readonly body: Body;
  /** The whole body, at most `limit` bytes. */
  bytes(limit: number, what: string): Promise<Buffer>;
  /** Releases the connection without a look at the body. */
  discard(): Promise<void>;
}

/**
 * Every HTTP request of gantry: own agents, redirects followed by hand and hop by hop, headers and body timed, safe
 * requests repeated with jitter, Retry-After honoured and bounded.
 *
 * Throws CONNECTION_FAILED, TIMEOUT, TLS_FAILED, REDIRECT_REFUSED, INVALID_RESPONSE, TRANSFER_INTERRUPTED (body), and
 * the signal's own reason. A response of any status is a result, not an error.
 */
export class Transport {
  readonly limits: Limits;
  readonly #options: TransportOptions;
  readonly #slots = new Map<string, Semaphore>();
  #http: HttpAgent | undefined;
  #https: Promise<{ agent: HttpsAgent; request: typeof httpRequest }> | undefined;

  constructor(options: TransportOptions = {}) {
    this.#options = options;
    this.limits = options.limits ?? defaultLimits;
  }

  /** The time, in milliseconds, that a body may be silent. */
  get idleTimeout(): number {
    return this.#options.idleTimeout ?? 60_000;
  }

  warn(text: string): void {
    this.#options.progress?.({ type: "message", level: "warning", text });
  }

  async send(request: HttpRequest): Promise<HttpResponse> {
    const repeatable = request.repeatable ?? (request.method === "GET" || request.method === "HEAD");
    const attempts = repeatable ? (this.#options.attempts ?? 3) : 1;
    for (let attempt = 1; ; attempt += 1) {
      try {
        const response = await this.#follow(request);
        // A refusal because of load was not acted upon: it may be repeated if the body can be sent again.
        const again = repeatable || (response.status === 429 && !(request.body && "pump" in request.body));
        if (!RETRY_STATUS.has(response.status) || !again || attempt >= (this.#options.attempts ?? 3)) return response;
        const wait = this.#retryAfter(response) ?? this.#backoff(attempt);
        await response.discard();
        const host = request.url.host;
        this.warn(`${host} answered ${response.status}; trying again in ${(wait / 1000).toFixed(1)} s`);
        await sleep(wait, request.signal);
      } catch (error) {
        request.signal?.throwIfAborted();
        if (attempt >= attempts || !isGantryError(error, "CONNECTION_FAILED", "TIMEOUT")) throw error;
        const wait = this.#backoff(attempt);
        this.warn(`${error.message}; trying again in ${(wait / 1000).toFixed(1)} s`);
        await sleep(wait, request.signal);
      }
    }
  }

  #backoff(attempt: number): number {
    return (this.#options.backoff ?? 500) * 2 ** (attempt - 1) * (0.5 + Math.random());
  }

  /** Waits before another try of a broken body, told apart from other waits only by the message. */
  async pauseBeforeRetry(attempt: number, reason: string, signal?: AbortSignal): Promise<void> {
    const wait = this.#backoff(Math.min(attempt, 6));
    this.warn(`${reason}; trying again in ${(wait / 1000).toFixed(1)} s`);
    await sleep(wait, signal);
  }

  /** Milliseconds that the server asks for, as seconds or as a date (RFC 9110 section 10.2.3). */
  #retryAfter(response: HttpResponse): number | undefined {
    const value = response.headers["retry-after"];
    if (value === undefined) return undefined;
    const wait = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now();
    if (Number.isNaN(wait)) return undefined;
    const max = this.#options.maxRetryAfter ?? 120_000;
    if (wait > max) {
      throw new GantryError(
        "TOO_MANY_REQUESTS",
        `${response.url.host} answered ${response.status} and asks to wait ${Math.ceil(wait / 1000)} s, longer than ${max / 1000} s; try again later`,
        { details: { retryAfterMs: wait } },
      );
    }
    return Math.max(0, wait);
  }

  async #follow(request: HttpRequest): Promise<HttpResponse> {
    let url = request.url;
    for (let hops = 0; ; hops += 1) {
      const response = await this.#once({ ...request, url }, url.origin === request.url.origin);
      if (!REDIRECT_STATUS.has(response.status) || (request.method !== "GET" && request.method !== "HEAD"))
        return response;
      await response.discard();
      checkLimit(this.limits, "redirects", hops + 1, `${redactUrl(request.url)}: the chain of redirects`);
      url = nextHop(url, response.headers["location"]);
    }
  }

  async #once(request: HttpRequest, ownOrigin: boolean): Promise<HttpResponse> {
    const release = await this.#slot(request.url.host).acquire(request.signal);
    try {
      return await this.#exchange(request, ownOrigin, release);
    } catch (error) {
      release();
      throw error;
    }
  }

  #slot(host: string): Semaphore {
    let slot = this.#slots.get(host);
    if (!slot) {
      slot = new Semaphore(this.#options.maxPerHost ?? 8);
      this.#slots.set(host, slot);
    }
    return slot;
  }

  /** The agent and the request function for a protocol; TLS is loaded only where it is spoken. */
  async #client(url: URL): Promise<{ agent: HttpAgent; request: typeof httpRequest }> {
    if (url.protocol === "http:") {
      this.#http ??= new HttpAgent({ keepAlive: true });
      return { agent: this.#http, request: httpRequest };
    }
    this.#https ??= this.#tlsClient();
    const client = this.#https;
    client.catch(() => {
      if (this.#https === client) this.#https = undefined;
    });
    return client;
  }

  async #tlsClient(): Promise<{ agent: HttpsAgent; request: typeof httpRequest }> {
    const https = await import("node:https");
    const ca = await this.#options.ca?.();
    return {
      agent: new https.Agent({ keepAlive: true, minVersion: "TLSv1.2", ...(ca && { ca: [...ca] }) }),
      request: https.request as typeof httpRequest,
    };
  }

  async #exchange(request: HttpRequest, ownOrigin: boolean, release: () => void): Promise<HttpResponse> {
    const { agent, request: start } = await this.#client(request.url);
    const stop = new AbortController();
    const signal = request.signal ? AbortSignal.any([request.signal, stop.signal]) : stop.signal;
    const { body } = request;
    const length = body && ("pump" in body ? body.size : body.byteLength);
    const options: RequestOptions = {
      method: request.method,
      agent,
      maxHeaderSize: MAX_HEADER_SIZE,
      headers: {
        "user-agent": `gantry/${version}`,
        "accept-encoding": "identity",
        ...(ownOrigin && request.authorization ? { authorization: request.authorization } : {}),
        ...request.headers,
        ...(length !== undefined && { "content-length": String(length) }),
      },
    };
    const asked = `${request.method} ${redactUrl(request.url)}`;
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const outgoing = start(request.url, options);
      const timeout = this.#options.headerTimeout ?? 30_000;
      let timer: NodeJS.Timeout | undefined;
      let settled = false;
      // Runs only while the peer has to do something: a slow source of the body is not its fault.
      const restart = (): void => {
        clearTimeout(timer);
        if (settled) return;
        timer = setTimeout(() => {
          outgoing.destroy(new GantryError("TIMEOUT", `${asked}: no answer within ${timeout / 1000} s`));
        }, timeout);
      };
      const onAbort = (): void => void outgoing.destroy(signal.reason);
      signal.addEventListener("abort", onAbort, { once: true });
      const settle = (): void => {
        settled = true;
        clearTimeout(timer);
        signal.removeEventListener("abort", onAbort);
      };
      outgoing.on("response", (incoming: IncomingMessage) => {
        settle();
        resolve(incoming);
      });
      outgoing.on("error", (error) => {
        settle();
        reject(signal.aborted ? signal.reason : connectionError(error, asked));
      });
      if (signal.aborted) return onAbort();
      if (!body || !("pump" in body)) {
        restart();
        outgoing.end(body);
      } else {
        const write: ChunkWriter = (chunk) => {
          if (outgoing.destroyed) throw new BodyUnsent();
          // The chunk is only lent, while a socket keeps what it could not send yet.
          if (outgoing.write(Buffer.from(chunk))) return;
          restart();
          return new Promise((done, fail) => {
            const finish = (): void => {
              clearTimeout(timer);
              outgoing.off("drain", finish);
              outgoing.off("close", finish);
              if (outgoing.destroyed && !outgoing.writableFinished) fail(new BodyUnsent());
              else done();
            };
            outgoing.on("drain", finish);
            outgoing.on("close", finish);
          });
        };
        body.pump(write, signal).then(
          () => {
            restart();
            outgoing.end();
          },
          (error: unknown) => {
            if (error instanceof BodyUnsent) return;
            reject(error);
            outgoing.destroy();
          },
        );
      }
    });
    this.#options.debug?.(`${asked} ${response.statusCode}`);
    return new Incoming(response, request.url, asked, this.idleTimeout, release);
  }

  /** Closes idle connections. */
  async close(): Promise<void> {
    this.#http?.destroy();
    (await this.#https?.catch(() => undefined))?.agent.destroy();
  }
}

/** The peer stopped reading; the response or the error of the request says why. */
class BodyUnsent extends Error {}

function connectionError(error: Error, asked: string): unknown {
  if (isGantryError(error)) return error;
  const code = errnoOf(error) ?? "";
  if (code.startsWith("HPE_")) {
    return new GantryError("INVALID_RESPONSE", `${asked}: the answer is not HTTP (${messageOf(error)})`, {
      cause: error,
    });
  }
  if (/^(?:ERR_TLS|ERR_SSL|CERT_|DEPTH_|SELF_SIGNED|UNABLE_TO|EPROTO)/.test(code)) {
    return new GantryError(
      "TLS_FAILED",
      `${asked}: ${messageOf(error)}; name the certificate that vouches for it with --ca-file; a registry that speaks plain http needs --insecure`,
      { cause: error },
    );
  }
  return new GantryError("CONNECTION_FAILED", `${asked}: ${messageOf(error) || code}`, {
    cause: error,
    details: { errno: code },
  });
}
