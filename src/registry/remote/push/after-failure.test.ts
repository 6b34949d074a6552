import { describe, expect, test } from "vitest";
import type { ErrorCode } from "../../../base/codes.ts";
import { GantryError } from "../../../base/error.ts";
import { advanced, afterFailure, leastChunk, startOf, type UploadProgress } from "./after-failure.ts";
import { failureOf, type UploadFailure } from "./failure.ts";

const MiB = 1 << 20;
const size = 40 * MiB;
const start = startOf(size);
const half: UploadProgress = { ...start, offset: size / 2, furthest: size / 2 };
const sent: UploadProgress = { ...start, offset: size, furthest: size };

const error = (code: ErrorCode, status?: number): GantryError =>
  new GantryError(code, "an error of the test", { details: status === undefined ? {} : { status } });

describe("the meaning of a failed request", () => {
  const rows: readonly [
    GantryError | Error,
    atStart: UploadFailure,
    halfway: UploadFailure,
    atCommit: UploadFailure,
  ][] = [
    [error("UNSUPPORTED", 405), "whole only", "final", "final"],
    [error("REGISTRY_ERROR", 413), "too large", "too large", "too large"],
    [error("BLOB_UPLOAD_UNKNOWN", 404), "forgotten", "forgotten", "forgotten"],
    [error("BLOB_UPLOAD_INVALID", 400), "forgotten", "forgotten", "forgotten"],
    [error("RANGE_INVALID", 416), "interrupted", "interrupted", "forgotten"],
    [error("DIGEST_MISMATCH", 400), "interrupted", "interrupted", "forgotten"],
    [error("SIZE_MISMATCH", 400), "interrupted", "interrupted", "forgotten"],
    [error("CONNECTION_FAILED"), "interrupted", "interrupted", "interrupted"],
    [error("TIMEOUT"), "interrupted", "interrupted", "interrupted"],
    [error("TOO_MANY_REQUESTS", 429), "interrupted", "interrupted", "interrupted"],
    [error("UNAUTHORIZED", 401), "interrupted", "interrupted", "interrupted"],
    [error("REGISTRY_ERROR", 502), "interrupted", "interrupted", "interrupted"],
    [error("REGISTRY_ERROR", 400), "final", "final", "final"],
    [error("DENIED", 403), "final", "final", "final"],
    [new Error("of the program"), "final", "final", "final"],
  ];

  test.each(rows)("%s", (failed, ...expected) => {
    expect([start, half, sent].map((progress) => failureOf(failed, progress))).toEqual(expected);
  });
});

describe("the next step after a failed request", () => {
  const resumed = (progress: UploadProgress, changes: Partial<UploadProgress>) => ({
    step: "resume",
    progress: { ...progress, ...changes },
  });

  test("received bytes are progress: the upload is resumed after them, with requests of the same size", () => {
    for (const stalled of [0, 3]) {
      const offset = half.offset + 64 * 1024;
      expect(afterFailure("interrupted", { ...half, stalled }, offset)).toEqual(
        resumed(half, { offset, furthest: offset, stalled: 0 }),
      );
    }
  });

  test("without progress, each failure makes the requests smaller, and the fourth ends the upload", () => {
    const chunks: (number | undefined)[] = [];
    let progress: UploadProgress = half;
    for (let next = afterFailure("interrupted", progress, half.offset); next.step === "resume"; ) {
      progress = next.progress;
      chunks.push(progress.chunk);
      next = afterFailure("interrupted", progress, half.offset);
    }
    expect([chunks, progress.stalled]).toEqual([[16 * MiB, 4 * MiB, MiB], 3]);
    expect(afterFailure("interrupted", progress, half.offset)).toEqual({
      step: "give up",
      reason: "stalled",
      offset: half.offset,
    });
  });

  test("an offset below the furthest one is no progress", () => {
    const next = afterFailure("interrupted", half, half.offset - 1);
    expect(next).toEqual(resumed(half, { offset: half.offset - 1, stalled: 1, chunk: 16 * MiB }));
  });

  test("after a request that is too large, a smaller one is sent from the same offset, and the failure does not count", () => {
    const stalled = { ...half, stalled: 2 };
    expect(afterFailure("too large", stalled, undefined)).toEqual(resumed(stalled, { chunk: 16 * MiB }));
    expect(afterFailure("too large", { ...stalled, chunk: 16 * MiB }, half.offset)).toEqual(
      resumed(stalled, { chunk: 4 * MiB }),
    );
  });

  test.each([
    [{ chunk: MiB }, MiB],
    [{ chunk: 16 * MiB, minChunk: 10 * MiB }, 10 * MiB],
    [{ minChunk: 20 * MiB }, 20 * MiB],
  ])("a request that is too large and cannot be smaller ends the upload: %o", (limits, least) => {
    const progress = { ...half, ...limits };
    expect(afterFailure("too large", progress, half.offset)).toEqual({
      step: "give up",
      reason: "too large",
      offset: half.offset,
    });
    expect(leastChunk(progress)).toBe(least);
    // After an interruption it is sent again with the same size.
    expect(afterFailure("interrupted", progress, half.offset)).toEqual(resumed(progress, { stalled: 1 }));
  });

  test("a forgotten upload is sent from its start once more, in chunks; not a third time", () => {
    for (const failure of ["forgotten", "interrupted"] as const) {
      const next = afterFailure(failure, half, undefined);
      const progress = { ...start, stalled: 1, chunk: 8 * MiB, restarted: true };
      expect(next).toEqual({ step: "restart", progress });
      expect(afterFailure(failure, { ...progress, offset: 8 * MiB }, undefined)).toEqual({
        step: "give up",
        reason: "forgotten",
        offset: 8 * MiB,
      });
    }
    expect(afterFailure("forgotten", { ...half, stalled: 3 }, undefined)).toEqual({
      step: "give up",
      reason: "stalled",
      offset: 0,
    });
  });

  test("a successful request is progress where it passes the furthest offset", () => {
    const stalled = { ...half, stalled: 2 };
    expect(advanced(stalled, size)).toEqual({ ...stalled, offset: size, furthest: size, stalled: 0 });
    const again = { ...stalled, offset: 0 };
    expect(advanced(again, 8 * MiB)).toEqual({ ...stalled, offset: 8 * MiB });
  });
});
