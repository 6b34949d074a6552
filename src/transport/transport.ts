import { channel } from "node:diagnostics_channel";
import { setMaxListeners } from "node:events";
import type { IncomingMessage, RequestOptions } from "node:http";
import { abortable, Semaphore, SingleFlight, sleep } from "../base/async.ts";
import { errnoOf, GantryError, isGantryError, messageOf } from "../base/error.ts";
import { checkLimit, defaultLimits, type Limits } from "../base/limits.ts";
import type { Progress } from "../base/progress.ts";
import { version } from "../base/version.ts";
import type { ChunkWriter } from "../content/content.ts";
import { isPrivateAddress } from "./addresses.ts";
import { Connections, type Route, type TlsOptions } from "./connections.ts";
import { connectionError } from "./failure.ts";
import { Incoming } from "./incoming.ts";
import type { HttpRequest, HttpResponse } from "./message.ts";
import { type RateLimit, RateLimiter, readRateLimit } from "./rate.ts";
import { redactText, redactUrl } from "./redact.ts";
import { nextHop } from "./redirect.ts";
import type { Secrets } from "./secrets.ts";

/** Some registries send 20 KB of headers; Node's default is 16 KiB. */
const MAX_HEADER_SIZE = 64 << 10;
const RETRY_STATUS: ReadonlySet<number> = new Set([408, 425, 429, 500, 502, 503, 504]);
/** Answers without a body that may come before the one that counts (RFC 9110 section 15.2). */
const MAX_INTERIM = 32;
/** What says that nothing is at an address, or that a name has none: waiting seldom changes it. */
const UNREACHABLE: ReadonlySet<unknown> = new Set([
  "ENOTFOUND",
  "EAI_AGAIN",
  "ECONNREFUSED",
  "EHOSTUNREACH",
  "ENETUNREACH",
]);
/** Milliseconds before an address that could not be reached is tried once more. */
const REVISIT_MS = 200;
/** Milliseconds in which no further request tries once more, after one did so in vain. */
const GONE_MS = 5_000;
/** A wait that people should hear of, in milliseconds. */
const TELL_MS = 1_000;

/** What libraries can listen to: one message for each response, without secrets. */
const requests = channel("gantry:request");
const REDIRECT_STATUS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

export interface TransportOptions extends TlsOptions {
  readonly limits?: Limits | undefined;
  /** The host that this transport is for, as it stands in its URLs. Default: that of the request. */
  readonly home?: string | undefined;
  /** Headers for the home host, and for it alone. Their values are kept out of errors and logs. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Added to `gantry/VERSION` in User-Agent. */
  readonly userAgent?: string | undefined;
  /** How fast the home host and its token server may be asked. Default: as fast as they let us. */
  readonly limiter?: RateLimiter | undefined;
  /** Milliseconds until response headers must have come. Default 30,000. */
  readonly headerTimeout?: number | undefined;
  /** Milliseconds in which a body must bring 16 KiB, or end. Default 60,000. */
  readonly idleTimeout?: number | undefined;
  /** Tries for a request that may be repeated. Default 3. */
  readonly attempts?: number | undefined;
  /** Milliseconds before the second try; doubled, with jitter, for each further one. Default 1,000. */
  readonly backoff?: number | undefined;
  /** The longest wait, in milliseconds, that a Retry-After may ask for. Default 120,000. */
  readonly maxRetryAfter?: number | undefined;
  /** Requests to one host at once, bodies included: so many that send, that fetch, and that do neither. Default 8. */
  readonly maxPerHost?: number | undefined;
  readonly progress?: Progress | undefined;
  /** Called with one redacted line for each response. */
  readonly debug?: ((line: string) => void) | undefined;
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
  /** What the home host last said of its quota. */
  rateLimit: RateLimit | undefined;
  readonly #options: TransportOptions;
  readonly #slots = new Map<string, Semaphore>();
  readonly #connections: Connections;
  /** Ends our use of the connections; absent where we do not use them now. */
  #release: ((keepIdle: boolean) => void) | undefined;
  readonly #limiter: RateLimiter;
  #closing = closing();
  #ended: GantryError | undefined;
  /** One wait, and one warning, for all requests that could not reach an origin. */
  readonly #revisits = new SingleFlight<void>();
  /** When an origin was last tried once more in vain. */
  readonly #gone = new Map<string, number>();
  /** Requests without an answer, and answers that are not read to their end. */
  readonly #live = new Set<{ destroy(error: Error): unknown }>();
  /** What was sent: no server that says it back is quoted. */
  readonly #secrets: Secrets;

  /** @param connections those of all transports of this identity. Default: connections of its own */
  constructor(options: TransportOptions = {}, connections: Connections = new Connections(options)) {
    this.#options = options;
    this.limits = options.limits ?? defaultLimits;
    this.#connections = connections;
    this.#secrets = connections.secrets;
    this.#limiter = options.limiter ?? new RateLimiter();
    for (const value of Object.values(options.headers ?? {})) this.#secrets.add(value);
  }

  /** Milliseconds in which a body must bring something. */
  get idleTimeout(): number {
    return this.#options.idleTimeout ?? 60_000;
  }

  warn(text: string): void {
    this.#options.progress?.({ type: "message", level: "warning", text });
  }

  /** Whether something failed because this very client was closed. */
  endedBy(error: unknown): boolean {
    return error !== undefined && error === this.#ended;
  }

  /** What a server said, as it may be shown. */
  readonly redact = (text: string): string => redactText(this.#secrets.hide(text));

  /** A secret that is going to be sent, in whatever form: it is shown in no message. */
  keepSecret(secret: string): void {
    this.#secrets.add(secret);
  }

  #show(url: URL): string {
    return this.redact(redactUrl(url));
  }

  /** Whether a host is at a private address, by what it is called or by where it was found. */
  isPrivate(hostname: string): boolean {
    return isPrivateAddress(hostname) || this.#connections.found(hostname) === "private";
  }

  async send(asked: HttpRequest): Promise<HttpResponse> {
    const closed = this.#closing.signal;
    // What no other signal can stop ends when this is closed.
    const request: StoppableRequest = { ...asked, signal: asked.signal ?? closed, closed };
    const repeatable = request.repeatable ?? (request.method === "GET" || request.method === "HEAD");
    const tries = this.#options.attempts ?? 3;
    const { origin } = request.url;
    const host = this.redact(request.url.host);
    let missed = 0;
    for (let attempt = 1; ; attempt += 1) {
      closed.throwIfAborted();
      try {
        await this.#limiter.take((ms) => {
          if (ms >= TELL_MS) this.warn(`${host} takes no more requests now; waiting ${(ms / 1000).toFixed(1)} s`);
        }, request.signal);
        const response = await this.#follow(request);
        missed = 0;
        if (!RETRY_STATUS.has(response.status)) return response;
        // A refusal because of load was not acted upon: it may be repeated if the body can be sent again.
        const again = repeatable || (response.status === 429 && !(request.body && "pump" in request.body));
        const wanted = response.status === 429 || response.status === 503 ? retryAfter(response) : undefined;
        if (response.status === 429) this.#limiter.drain(Math.min(wanted ?? TELL_MS, this.#maxRetryAfter));
        if (!again || attempt >= tries) return response;
        this.#requireBearable(wanted, response);
        const wait = wanted === undefined ? this.#backoff(attempt) : Math.max(wanted, this.#options.backoff ?? 1_000);
        await response.discard();
        this.warn(`${host} answered ${response.status}; trying again in ${(wait / 1000).toFixed(1)} s`);
        await sleep(wait, request.signal);
      } catch (error) {
        request.signal.throwIfAborted();
        closed.throwIfAborted();
        if (!repeatable || attempt >= tries || !isGantryError(error, "CONNECTION_FAILED", "TIMEOUT")) throw error;
        if (!UNREACHABLE.has(error.details["errno"])) {
          const wait = this.#backoff(attempt);
          this.warn(`${error.message}; trying again in ${(wait / 1000).toFixed(1)} s`);
          await sleep(wait, request.signal);
        } else {
          missed += 1;
          if (missed > 1) this.#gone.set(origin, Date.now());
          if (Date.now() - (this.#gone.get(origin) ?? 0) < GONE_MS) throw error;
          await abortable(
            this.#revisits.run(origin, () => this.#revisit(error.message, closed)),
            request.signal,
          );
        }
      }
    }
  }

  async #revisit(reason: string, closed: AbortSignal): Promise<void> {
    const wait = Math.min(REVISIT_MS, this.#options.backoff ?? REVISIT_MS);
    this.warn(`${reason}; trying once more in ${(wait / 1000).toFixed(1)} s`);
    await sleep(wait, closed);
  }

  /** No request is repeated more than once a second, unless the options ask for it. */
  #backoff(attempt: number): number {
    return (this.#options.backoff ?? 1_000) * 2 ** (attempt - 1) * (1 + Math.random());
  }

  /** Waits before another try of a broken body, told apart from other waits only by the message. */
  async pauseBeforeRetry(attempt: number, reason: string, signal?: AbortSignal): Promise<void> {
    const wait = this.#backoff(Math.min(attempt, 6));
    this.warn(`${reason}; trying again in ${(wait / 1000).toFixed(1)} s`);
    await sleep(wait, signal);
  }

  get #maxRetryAfter(): number {
    return this.#options.maxRetryAfter ?? 120_000;
  }

  /** @throws TOO_MANY_REQUESTS where the wait that is asked for is longer than anybody wants to sit through */
  #requireBearable(wait: number | undefined, response: HttpResponse): void {
    if (wait === undefined || wait <= this.#maxRetryAfter) return;
    response.body.close();
    throw new GantryError(
      "TOO_MANY_REQUESTS",
      `${this.redact(response.url.host)} answered ${response.status} and asks to wait ${Math.ceil(wait / 1000)} s, longer than ${this.#maxRetryAfter / 1000} s; try again later${response.status === 429 ? ", or log in, which often raises the quota" : ""}`,
      { details: { retryAfterMs: wait, status: response.status } },
    );
  }

  async #follow(request: StoppableRequest): Promise<HttpResponse> {
    const home = this.#options.home ?? request.url.host;
    let url = request.url;
    let left = false;
    for (let hops = 0; ; hops += 1) {
      left ||= url.origin !== request.url.origin;
      // A port that is written may be the one that goes without saying.
      const isHome = new URL(`${url.protocol}//${home}/`).host === url.host;
      const own = !left && isHome && !request.anonymous;
      // A name that was found outside stays outside, whatever it resolves to later.
      const publicOnly = isHome
        ? this.#connections.found(hostnameOf(home)) === "public"
        : !this.isPrivate(hostnameOf(home));
      const response = await this.#once({ ...request, url }, { own, publicOnly, left });
      if (own) this.rateLimit = readRateLimit(response.headers, this.redact) ?? this.rateLimit;
      if (!REDIRECT_STATUS.has(response.status) || (request.method !== "GET" && request.method !== "HEAD"))
        return response;
      const next = await hopAfter(response, url);
      if (request.redirects === "own" && next.origin !== request.url.origin) return response;
      await response.discard();
      checkLimit(this.limits, "redirects", hops + 1, `${this.#show(request.url)}: the chain of redirects`);
      url = next;
    }
  }

  async #once(request: StoppableRequest, route: RequestRoute): Promise<HttpResponse> {
    // A copy within one registry reads and writes at the same time, and needs tokens meanwhile: none waits for the others.
    const kind = request.body && "pump" in request.body ? "up" : request.streams ? "down" : "short";
    const release = await this.#slot(`${kind} ${request.url.host}`).acquire(request.signal);
    try {
      return await this.#exchange(request, route, release);
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

  async #exchange(request: StoppableRequest, route: RequestRoute, release: () => void): Promise<HttpResponse> {
    const { signal, closed } = request;
    closed.throwIfAborted();
    this.#release ??= this.#connections.use();
    const { request: start, options: how, proxy, certified } = await this.#connections.to(request.url, route);
    closed.throwIfAborted();
    const { body } = request;
    const length = body && ("pump" in body ? body.size : body.byteLength);
    const options: RequestOptions = {
      ...how,
      method: request.method,
      maxHeaderSize: MAX_HEADER_SIZE,
      headers: {
        "user-agent": `gantry/${version}${this.#options.userAgent ? ` ${this.#options.userAgent}` : ""}`,
        "accept-encoding": "identity",
        ...(route.own && this.#options.headers),
        ...(!route.left && request.authorization && { authorization: request.authorization }),
        ...request.headers,
        ...(length !== undefined && { "content-length": String(length) }),
      },
    };
    if (request.authorization) this.keepSecret(request.authorization.replace(/^\S+ /, ""));
    const shown = this.#show(request.url);
    const asked = `${request.method} ${shown}`;
    const started = performance.now();
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const outgoing = startable(() => start(request.url, options), asked);
      this.#live.add(outgoing);
      outgoing.once("close", () => this.#live.delete(outgoing));
      const timeout = (this.#options.headerTimeout ?? 30_000) + (request.patience ?? 0);
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
      let interim = 0;
      outgoing.on("information", () => {
        interim += 1;
        if (interim <= MAX_INTERIM) return;
        const why = `${asked}: more than ${MAX_INTERIM} interim answers (1xx) came, and no other`;
        outgoing.destroy(new GantryError("INVALID_RESPONSE", why));
      });
      outgoing.on("response", (incoming: IncomingMessage) => {
        settle();
        this.#live.delete(outgoing);
        this.#live.add(incoming);
        incoming.once("close", () => this.#live.delete(incoming));
        // No peer reads the rest of a body that has been answered already.
        incoming.once("end", () => {
          if (!outgoing.writableEnded) outgoing.destroy();
        });
        resolve(incoming);
      });
      outgoing.on("error", (error) => {
        settle();
        if (signal.aborted) return reject(signal.reason);
        const secure = request.url.protocol === "https:";
        const { reusedSocket: reused } = outgoing;
        reject(connectionError(error, { asked, secure, certified, reused, redact: this.redact }));
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
    const ms = Math.round(performance.now() - started);
    this.#options.debug?.(`${asked} ${response.statusCode} ${ms} ms${proxy ? ` through ${proxy.host}` : ""}`);
    if (requests.hasSubscribers) {
      requests.publish({ method: request.method, url: shown, status: response.statusCode, ms });
    }
    // Behind a proxy it is the proxy's address that we see.
    const { remoteAddress } = response.socket;
    const { hostname } = request.url;
    if (!proxy && remoteAddress) this.#connections.noteAddress(hostname, remoteAddress);
    const isPrivate = this.isPrivate(hostnameOf(this.#options.home ?? request.url.host));
    return new Incoming(response, {
      url: request.url,
      isPrivate,
      asked,
      redact: this.redact,
      idle: this.idleTimeout,
      signal: request.signal,
      release,
    });
  }

  /**
   * Ends its requests, and the bodies that are read of them; what others do over the same connections goes on. It can be
   * used again.
   * @param options keepIdle: leave idle connections open for a moment, for the next that wants them
   */
  async close(options: { readonly keepIdle?: boolean | undefined } = {}): Promise<void> {
    const reason = new GantryError("CONNECTION_FAILED", "the client was closed", { details: { closed: true } });
    this.#ended = reason;
    this.#closing.abort(reason);
    this.#closing = closing();
    for (const live of [...this.#live]) live.destroy(reason);
    this.#release?.(options.keepIdle === true);
    this.#release = undefined;
  }
}

/** Whether a request failed because its own client was closed. */
export function isClosed(error: unknown): boolean {
  return isGantryError(error, "CONNECTION_FAILED") && error.details["closed"] === true;
}

async function hopAfter(response: HttpResponse, url: URL): Promise<URL> {
  try {
    return nextHop(url, response.headers["location"], response);
  } catch (error) {
    await response.discard();
    throw error;
  }
}

/** A request with all that can end it: the signal of its caller, and that its client is closed. */
type StoppableRequest = HttpRequest & { readonly signal: AbortSignal; readonly closed: AbortSignal };

interface RequestRoute extends Route {
  /** Whether a redirect led away from the origin that the request was for, at any time. */
  readonly left: boolean;
}

/** Ends what is asked for without a signal; as many may listen as there are requests. */
function closing(): AbortController {
  const controller = new AbortController();
  setMaxListeners(0, controller.signal);
  return controller;
}

/** @throws CONFIG_INVALID for headers that HTTP cannot carry; Node names the header, and not its value */
function startable<T>(start: () => T, asked: string): T {
  try {
    return start();
  } catch (error) {
    if (!/^ERR_(?:INVALID_CHAR|INVALID_HTTP_TOKEN|HTTP_INVALID_HEADER_VALUE)$/.test(errnoOf(error) ?? "")) throw error;
    throw new GantryError("CONFIG_INVALID", `${asked}: HTTP cannot carry what is to be sent: ${messageOf(error)}`);
  }
}

const hostnameOf = (host: string): string => new URL(`http://${host}/`).hostname;

/** Milliseconds that a server asks us to wait, in seconds or as a date (RFC 9110 section 10.2.3). */
function retryAfter(response: HttpResponse): number | undefined {
  const value = response.headers["retry-after"];
  if (value === undefined) return undefined;
  const wait = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now();
  return Number.isNaN(wait) ? undefined : Math.max(0, wait);
}

/** The peer stopped reading; the response or the error of the request says why. */
class BodyUnsent extends Error {}
