import { sleep } from "../base/async.ts";
import { withoutUndefined } from "../base/defined.ts";
import { GantryError, isGantryError, messageOf } from "../base/error.ts";
import { defaultLimits, type Limits } from "../base/limits.ts";
import type { Progress } from "../base/progress.ts";
import { type ConnectionOptions, Connections } from "./connections.ts";
import { Lifetime } from "./lifetime.ts";
import { type HttpRequest, type HttpResponse, isStreamed, type StoppableRequest } from "./message.ts";
import { type RateLimit, RateLimiter, readRateLimit } from "./rate.ts";
import { redactText } from "./redact.ts";
import { followRedirects } from "./redirect.ts";
import { type Attempt, afterError, afterResponse, backoff, type RetryPolicy, retryAfterOf } from "./retry.ts";
import { Revisits } from "./revisits.ts";
import { Sender, type SenderOptions } from "./sender.ts";

/** Milliseconds before an address that could not be reached is tried once more. */
const REVISIT_MS = 200;
/** Milliseconds for which a 429 without a Retry-After stops the requests to a registry. */
const BUSY_MS = 1_000;
/** Shorter waits for a permit are not reported, in milliseconds. */
const REPORTED_MS = 1_000;

export interface TransportOptions extends ConnectionOptions, SenderOptions {
  readonly limits?: Limits | undefined;
  /** The host that this transport is for, as in its URLs. Default: that of the request. */
  readonly home?: string | undefined;
  /** How fast requests to the home host and its token server may be made. Default: no limit. */
  readonly limiter?: RateLimiter | undefined;
  /** Tries of a request that may be repeated. Default 3. */
  readonly attempts?: number | undefined;
  /** Milliseconds before the second try; doubled, with jitter, for each further one. Default 1,000. */
  readonly backoff?: number | undefined;
  /** The longest wait, in milliseconds, that a Retry-After may ask for. Default 120,000. */
  readonly maxRetryAfter?: number | undefined;
  readonly progress?: Progress | undefined;
}

/**
 * Makes all HTTP requests of gantry. It has its own agents, follows redirects hop by hop, has timeouts for headers and
 * bodies, retries safe requests with jitter, and obeys Retry-After up to a limit.
 *
 * Throws CONNECTION_FAILED, TIMEOUT, TLS_FAILED, REDIRECT_REFUSED, INVALID_RESPONSE, TOO_MANY_REQUESTS (a Retry-After
 * that is too long), TRANSFER_INTERRUPTED (body), and the signal's own reason. A response of any status is a result.
 */
export class Transport {
  readonly limits: Limits;
  /** The quota that the home host last reported. */
  rateLimit: RateLimit | undefined;
  readonly #options: TransportOptions;
  readonly #policy: RetryPolicy;
  readonly #connections: Connections;
  readonly #limiter: RateLimiter;
  readonly #lifetime = new Lifetime();
  readonly #revisits = new Revisits();
  readonly #sender: Sender;

  /** @param connections those of all transports of this identity. Default: connections of its own */
  constructor(options: TransportOptions = {}, connections: Connections = new Connections(options)) {
    this.#options = options;
    this.#policy = {
      attempts: options.attempts ?? 3,
      backoff: options.backoff ?? 1_000,
      maxRetryAfter: options.maxRetryAfter ?? 120_000,
    };
    this.limits = options.limits ?? defaultLimits;
    this.#connections = connections;
    this.#limiter = options.limiter ?? new RateLimiter();
    this.#sender = new Sender(options, { connections, lifetime: this.#lifetime, redact: this.redact });
    for (const value of Object.values(withoutUndefined(options.headers ?? {}))) this.keepSecret(value);
  }

  warn(text: string): void {
    this.#options.progress?.({ type: "message", level: "warning", text });
  }

  /** Makes text of a server safe to show: secrets that were sent, and what looks like a secret, are taken out. */
  readonly redact = (text: string): string => redactText(this.#connections.secrets.hide(text));

  /** Hides a secret, in whatever form it will be sent, from all messages. */
  keepSecret(secret: string): void {
    this.#connections.secrets.add(secret);
  }

  /** Whether a host is at a private address, by its name or by its first connection. */
  isPrivate(hostname: string): boolean {
    return this.#connections.peers.isPrivate(hostname);
  }

  /** Whether an error was caused by closing this very client. */
  endedBy(error: unknown): boolean {
    return this.#lifetime.endedBy(error);
  }

  async send(asked: HttpRequest): Promise<HttpResponse> {
    const closed = this.#lifetime.signal;
    const request: StoppableRequest = { ...asked, signal: asked.signal ?? closed, closed };
    const { host, origin } = request.url;
    const repeatable = request.repeatable ?? (request.method === "GET" || request.method === "HEAD");
    const replayable = !isStreamed(request.body);
    let unreached = 0;
    for (let number = 1; ; number += 1) {
      const attempt: Attempt = { number, repeatable, replayable };
      closed.throwIfAborted();
      try {
        await this.#permit(host, request.signal);
        const response = await this.#follow(request);
        unreached = 0;
        const wait = this.#waitAfter(response, attempt);
        if (wait === undefined) return response;
        await response.discard();
        await this.#pause(`${this.redact(host)} answered ${response.status}`, wait, request.signal);
      } catch (error) {
        request.signal.throwIfAborted();
        closed.throwIfAborted();
        const next = afterError(this.#policy, attempt, error);
        if (next.kind === "wait") {
          await this.#pause(messageOf(error), next.ms, request.signal);
        } else if (next.kind === "revisit") {
          unreached += 1;
          const pause = (): Promise<void> => this.#pauseOnce(messageOf(error), closed);
          if (!(await this.#revisits.wait(origin, unreached > 1, pause, request.signal))) throw error;
        } else {
          throw error;
        }
      }
    }
  }

  async #permit(host: string, signal: AbortSignal): Promise<void> {
    await this.#limiter.take((ms) => {
      if (ms >= REPORTED_MS) this.warn(`${this.redact(host)} takes no more requests now; waiting ${seconds(ms)}`);
    }, signal);
  }

  #follow(request: StoppableRequest): Promise<HttpResponse> {
    const home = this.#options.home ?? request.url.host;
    const rules = { home, peers: this.#connections.peers, limits: this.limits, redact: this.redact };
    return followRedirects(request, rules, async (hop) => {
      const response = await this.#sender.send(request, hop, home);
      if (hop.own) this.rateLimit = readRateLimit(response.headers, this.redact) ?? this.rateLimit;
      return response;
    });
  }

  /**
   * Milliseconds until a request is retried; undefined where the response is the result.
   * @throws TOO_MANY_REQUESTS where the server asks for a wait that is too long
   */
  #waitAfter(response: HttpResponse, attempt: Attempt): number | undefined {
    const { status } = response;
    const { maxRetryAfter } = this.#policy;
    const retryAfter = retryAfterOf(status, response.headers["retry-after"]);
    // The other requests to this registry wait too.
    if (status === 429) this.#limiter.drain(Math.min(retryAfter ?? BUSY_MS, maxRetryAfter));
    const next = afterResponse(this.#policy, attempt, { status, retryAfter });
    if (next.kind === "wait") return next.ms;
    if (next.kind !== "refuse") return undefined;
    response.body.close();
    const advice = `try again later${status === 429 ? ", or log in, which often raises the quota" : ""}`;
    throw new GantryError(
      "TOO_MANY_REQUESTS",
      `${this.redact(response.url.host)} answered ${status} and asks to wait ${Math.ceil(next.ms / 1000)} s, longer than ${maxRetryAfter / 1000} s; ${advice}`,
      { details: { retryAfterMs: next.ms, status } },
    );
  }

  /** Waits before a retry of an interrupted body, and warns of it. */
  async pauseBeforeRetry(tries: number, reason: string, signal?: AbortSignal): Promise<void> {
    await this.#pause(reason, backoff(this.#policy, Math.min(tries, 6)), signal);
  }

  async #pause(reason: string, ms: number, signal?: AbortSignal): Promise<void> {
    this.warn(`${reason}; retrying in ${seconds(ms)}`);
    await sleep(ms, signal);
  }

  async #pauseOnce(reason: string, signal: AbortSignal): Promise<void> {
    const ms = Math.min(REVISIT_MS, this.#options.backoff ?? REVISIT_MS);
    this.warn(`${reason}; retrying once in ${seconds(ms)}`);
    await sleep(ms, signal);
  }

  /**
   * Ends its requests, also while their bodies are read. Connections that other clients share stay open. The transport
   * can be used again.
   * @param options keepIdle: leave idle connections open for a moment, for the next client
   */
  async close(options: { readonly keepIdle?: boolean | undefined } = {}): Promise<void> {
    this.#lifetime.end(new GantryError("CONNECTION_FAILED", "the client was closed", { details: { closed: true } }));
    this.#sender.close(options.keepIdle === true);
  }
}

/** Whether a request failed because its own client was closed. */
export function isClosed(error: unknown): boolean {
  return isGantryError(error, "CONNECTION_FAILED") && error.details["closed"] === true;
}

const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;
