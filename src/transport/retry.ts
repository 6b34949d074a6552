import { isGantryError } from "../base/error.ts";

/** Statuses of overload and of temporary failures. */
const RETRY_STATUS: ReadonlySet<number> = new Set([408, 425, 429, 500, 502, 503, 504]);

/** Errors of an address where nothing listens, and of a name without an address. A long wait seldom helps. */
const UNREACHABLE: ReadonlySet<unknown> = new Set([
  "ENOTFOUND",
  "EAI_AGAIN",
  "ECONNREFUSED",
  "EHOSTUNREACH",
  "ENETUNREACH",
]);

/** How often and how fast requests are retried. Times are in milliseconds. */
export interface RetryPolicy {
  /** The most tries of one request, the first included. */
  readonly attempts: number;
  /** The wait before the second try; doubled, with jitter, for each further one. */
  readonly backoff: number;
  /** The longest wait that a Retry-After may ask for. */
  readonly maxRetryAfter: number;
}

/** One try of a request. */
export interface Attempt {
  /** 1 for the first. */
  readonly number: number;
  /** Whether sending the request twice is harmless. */
  readonly repeatable: boolean;
  /** Whether its body can be sent again. */
  readonly replayable: boolean;
}

/** What follows a try. Times are in milliseconds. */
export type NextStep =
  /** The response or the error is the result. */
  | { readonly kind: "stop" }
  /** Retry after a wait. */
  | { readonly kind: "wait"; readonly ms: number }
  /** The server asks for a wait that is longer than the policy allows. */
  | { readonly kind: "refuse"; readonly ms: number }
  /** Nothing answers at the address: one retry, soon. */
  | { readonly kind: "revisit" };

const stop: NextStep = { kind: "stop" };

/**
 * Decides whether a response is the result or the request is retried.
 * @param response its status, and the wait that its Retry-After asks for
 * @param jitter from 0 to 1
 */
export function afterResponse(
  policy: RetryPolicy,
  attempt: Attempt,
  { status, retryAfter }: { readonly status: number; readonly retryAfter?: number | undefined },
  jitter: number = Math.random(),
): NextStep {
  // A 429 says that the server did not act on the request, so it may be sent again even if it is not repeatable.
  const allowed = attempt.repeatable || (status === 429 && attempt.replayable);
  if (!RETRY_STATUS.has(status) || !allowed || attempt.number >= policy.attempts) return stop;
  if (retryAfter === undefined) return { kind: "wait", ms: backoff(policy, attempt.number, jitter) };
  if (retryAfter > policy.maxRetryAfter) return { kind: "refuse", ms: retryAfter };
  return { kind: "wait", ms: Math.max(retryAfter, policy.backoff) };
}

/** Decides whether an error is the result or the request is retried. @param jitter from 0 to 1 */
export function afterError(
  policy: RetryPolicy,
  attempt: Attempt,
  error: unknown,
  jitter: number = Math.random(),
): NextStep {
  if (!attempt.repeatable || attempt.number >= policy.attempts) return stop;
  if (!isGantryError(error, "CONNECTION_FAILED", "TIMEOUT")) return stop;
  if (UNREACHABLE.has(error.details["errno"])) return { kind: "revisit" };
  return { kind: "wait", ms: backoff(policy, attempt.number, jitter) };
}

/** Milliseconds to wait after this many tries. */
export function backoff(policy: RetryPolicy, tries: number, jitter: number = Math.random()): number {
  return policy.backoff * 2 ** (tries - 1) * (1 + jitter);
}

/**
 * Milliseconds to wait by the Retry-After of a 429 or 503, which is in seconds or a date; undefined without one.
 * @see RFC 9110 section 10.2.3
 */
export function retryAfterOf(status: number, header: string | undefined, now: number = Date.now()): number | undefined {
  if ((status !== 429 && status !== 503) || header === undefined) return undefined;
  const wait = /^\d+$/.test(header) ? Number(header) * 1000 : Date.parse(header) - now;
  return Number.isNaN(wait) ? undefined : Math.max(0, wait);
}
