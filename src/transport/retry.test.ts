import { describe, expect, test } from "vitest";
import { GantryError } from "../base/error.ts";
import { type Attempt, afterError, afterResponse, backoff, retryAfterOf } from "./retry.ts";

const policy = { attempts: 3, backoff: 1_000, maxRetryAfter: 120_000 };
const first: Attempt = { number: 1, repeatable: true, replayable: true };
const stop = { kind: "stop" };
const wait = (ms: number) => ({ kind: "wait", ms });

describe("after a response", () => {
  const rows: [string, Partial<Attempt>, { status: number; retryAfter?: number }, object][] = [
    ["success is the result", {}, { status: 200 }, stop],
    ["a refusal is the result", {}, { status: 404, retryAfter: 1 }, stop],
    ["a temporary failure is retried", {}, { status: 502 }, wait(1_500)],
    ["each wait is twice the previous one", { number: 2 }, { status: 502 }, wait(3_000)],
    ["the last try is the result", { number: 3 }, { status: 502 }, stop],
    ["a request that is not repeatable is sent once", { repeatable: false }, { status: 502 }, stop],
    ["after a 429 it is retried: the server did not act on it", { repeatable: false }, { status: 429 }, wait(1_500)],
    ["a streamed body cannot be sent again", { repeatable: false, replayable: false }, { status: 429 }, stop],
    ["the wait is the one that the server asks for", {}, { status: 503, retryAfter: 5_000 }, wait(5_000)],
    ["no wait is shorter than the first one", {}, { status: 429, retryAfter: 0 }, wait(1_000)],
    ["the longest allowed wait is accepted", {}, { status: 429, retryAfter: 120_000 }, wait(120_000)],
    ["a longer wait is refused", {}, { status: 429, retryAfter: 120_001 }, { kind: "refuse", ms: 120_001 }],
    ["after the last try there is no wait", { number: 3 }, { status: 429, retryAfter: 120_001 }, stop],
  ];
  test.each(rows)("%s", (_title, attempt, response, next) => {
    expect(afterResponse(policy, { ...first, ...attempt }, response, 0.5)).toEqual(next);
  });
});

describe("after an error", () => {
  const failed = (errno: string) => new GantryError("CONNECTION_FAILED", "it failed", { details: { errno } });
  const rows: [string, Partial<Attempt>, unknown, object][] = [
    ["a connection that breaks is retried", {}, failed("ECONNRESET"), wait(1_500)],
    ["a timeout is retried", { number: 2 }, new GantryError("TIMEOUT", "too slow"), wait(3_000)],
    ["an address where nothing listens is tried once more", {}, failed("ECONNREFUSED"), { kind: "revisit" }],
    ["a name without an address is tried once more", {}, failed("ENOTFOUND"), { kind: "revisit" }],
    ["the last try is the result", { number: 3 }, failed("ECONNRESET"), stop],
    ["a request that is not repeatable is sent once", { repeatable: false }, failed("ECONNREFUSED"), stop],
    ["a refused certificate is the result", {}, new GantryError("TLS_FAILED", "it failed"), stop],
    ["errors of the caller are passed on", {}, new Error("of the body"), stop],
  ];
  test.each(rows)("%s", (_title, attempt, error, next) => {
    expect(afterError(policy, { ...first, ...attempt }, error, 0.5)).toEqual(next);
  });
});

test("jitter at most doubles a wait", () => {
  expect([backoff(policy, 1, 0), backoff(policy, 1, 1), backoff(policy, 4, 0)]).toEqual([1_000, 2_000, 8_000]);
});

test("Retry-After is in seconds or a date, and counts only with a 429 or a 503", () => {
  const now = Date.UTC(2030, 0, 1);
  const rows: [number, string | undefined, number | undefined][] = [
    [429, "7", 7_000],
    [503, "Tue, 01 Jan 2030 00:00:09 GMT", 9_000],
    [503, "Mon, 31 Dec 2029 23:59:59 GMT", 0],
    [500, "7", undefined],
    [429, "soon", undefined],
    [429, undefined, undefined],
  ];
  for (const [status, header, ms] of rows) expect(retryAfterOf(status, header, now)).toBe(ms);
});
