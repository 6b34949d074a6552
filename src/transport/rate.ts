import { abortable, sleep } from "../base/async.ts";

/** How fast requests may be made: `burst` at once, then `perMinute`. */
export interface Rate {
  readonly perMinute: number;
  readonly burst: number;
}

/** The rate that Docker Hub allows. */
export const hubRate: Rate = { perMinute: 300, burst: 300 };

/**
 * A bucket of permits that fills with time. It can be drained until a server takes requests again. Clients with a common
 * quota share one limiter.
 */
export class RateLimiter {
  #rate: Rate;
  #permits: number;
  #filled = performance.now();
  #closedUntil = 0;
  /** Callers get permits in the order in which they ask. */
  #queue: Promise<void> = Promise.resolve();

  constructor(rate: Rate = { perMinute: Number.POSITIVE_INFINITY, burst: Number.POSITIVE_INFINITY }) {
    this.#rate = rate;
    this.#permits = rate.burst;
  }

  /** Changes the rate; permits that were taken stay taken. */
  setRate(rate: Rate): void {
    this.#fill();
    const taken = this.#rate.burst === Number.POSITIVE_INFINITY ? 0 : this.#rate.burst - this.#permits;
    this.#permits = rate.burst - taken;
    this.#filled = performance.now();
    this.#rate = rate;
  }

  #fill(): void {
    const now = performance.now();
    const { perMinute, burst } = this.#rate;
    if (burst === Number.POSITIVE_INFINITY) return;
    this.#permits = Math.min(burst, this.#permits + ((now - this.#filled) / 60_000) * perMinute);
    this.#filled = now;
  }

  /** Milliseconds until the next permit. */
  get wait(): number {
    this.#fill();
    const now = performance.now();
    const { perMinute } = this.#rate;
    const refill = this.#permits >= 1 ? 0 : ((1 - this.#permits) / perMinute) * 60_000;
    return Math.max(0, this.#closedUntil - now, refill);
  }

  /** Resolves when a request may be made. @param onWait called before each wait, with its milliseconds */
  take(onWait: (ms: number) => void, signal?: AbortSignal): Promise<void> {
    const turn = this.#queue.then(async () => {
      signal?.throwIfAborted();
      for (let wait = this.wait; wait > 0; wait = this.wait) {
        onWait(wait);
        await sleep(Math.ceil(wait), signal);
      }
      this.#permits -= 1;
    });
    this.#queue = turn.catch(() => {});
    return abortable(turn, signal);
  }

  /** Takes all permits, and gives none for `ms` milliseconds: a server takes no more requests. */
  drain(ms: number): void {
    if (this.#permits !== Number.POSITIVE_INFINITY) this.#permits = Math.min(this.#permits, 0);
    this.#closedUntil = Math.max(this.#closedUntil, performance.now() + ms);
  }
}

/** The quota of a client, as a registry reports it. */
export interface RateLimit {
  /** Requests, or pulls, within the window. */
  readonly limit?: number | undefined;
  readonly remaining?: number | undefined;
  /** Seconds. */
  readonly window?: number | undefined;
  /** Seconds until the quota is filled again. */
  readonly reset?: number | undefined;
  /** What it is counted for: an address, or an account. */
  readonly source?: string | undefined;
}

/** Reads `RateLimit-*` or `X-RateLimit-*` headers, in the form of Docker Hub (`100;w=21600`) or of the IETF draft. */
export function readRateLimit(
  headers: Readonly<Record<string, string | undefined>>,
  redact: (text: string) => string = (text) => text,
): RateLimit | undefined {
  const header = (name: string): string | undefined => headers[`ratelimit-${name}`] ?? headers[`x-ratelimit-${name}`];
  const limit = whole(header("limit"));
  const remaining = whole(header("remaining"));
  if (limit === undefined && remaining === undefined) return undefined;
  const window = whole(/;\s*w=(\d+)/.exec(header("limit") ?? header("remaining") ?? "")?.[1]);
  const reset = whole(header("reset"));
  const source = headers["docker-ratelimit-source"];
  return { limit, remaining, window, reset, source: source === undefined ? undefined : redact(source) };
}

function whole(text: string | undefined): number | undefined {
  const match = /^\s*(\d{1,15})\b/.exec(text ?? "");
  return match ? Number(match[1]) : undefined;
}
