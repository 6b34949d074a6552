import { abortable, sleep } from "../base/async.ts";

/** Requests that may be made: `burst` at once, and then so many a minute. */
export interface Rate {
  readonly perMinute: number;
  readonly burst: number;
}

/** What Docker Hub lets pass. */
export const hubRate: Rate = { perMinute: 300, burst: 300 };

/**
 * A bucket of permits that fills with time. One that was told to wait is empty until then. May be shared by clients
 * that count against one quota.
 */
export class RateLimiter {
  #rate: Rate;
  #permits: number;
  #filled = performance.now();
  #closedUntil = 0;
  /** Those who wait go in their order. */
  #queue: Promise<void> = Promise.resolve();

  constructor(rate: Rate = { perMinute: Number.POSITIVE_INFINITY, burst: Number.POSITIVE_INFINITY }) {
    this.#rate = rate;
    this.#permits = rate.burst;
  }

  /** From now on it is this rate; permits that were taken stay taken. */
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

  /** Milliseconds until there is a permit. */
  get wait(): number {
    this.#fill();
    const now = performance.now();
    const { perMinute } = this.#rate;
    const refill = this.#permits >= 1 ? 0 : ((1 - this.#permits) / perMinute) * 60_000;
    return Math.max(0, this.#closedUntil - now, refill);
  }

  /** Resolves when a request may be made. @param onWait told in milliseconds where that takes time */
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

  /** Takes all permits: the server said that there are none, for so many milliseconds. */
  drain(ms: number): void {
    if (this.#permits !== Number.POSITIVE_INFINITY) this.#permits = Math.min(this.#permits, 0);
    this.#closedUntil = Math.max(this.#closedUntil, performance.now() + ms);
  }
}

/** What a registry says of its quota. */
export interface RateLimit {
  /** Requests, or pulls, within the window. */
  readonly limit?: number | undefined;
  readonly remaining?: number | undefined;
  /** Seconds. */
  readonly window?: number | undefined;
  /** Seconds until there are more. */
  readonly reset?: number | undefined;
  /** Whom it is counted for: an address, or an account. */
  readonly source?: string | undefined;
}

/** Reads `RateLimit-*` headers, in the words of Docker Hub (`100;w=21600`), of the IETF draft, or with `X-`. */
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
  return {
    limit,
    remaining,
    window,
    reset,
    ...(source !== undefined && { source: redact(source) }),
  };
}

function whole(text: string | undefined): number | undefined {
  const match = /^\s*(\d{1,15})\b/.exec(text ?? "");
  return match ? Number(match[1]) : undefined;
}
