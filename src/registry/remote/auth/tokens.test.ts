import { expect, test } from "vitest";
import { TokenCache } from "./tokens.ts";

test("tokens are bounded in memory and in time, and the oldest are dropped first", () => {
  const cache = new TokenCache();
  const header = `Bearer ${"x".repeat(1 << 20)}`;
  for (let at = 0; at < 6; at += 1) cache.set(`scope ${at}`, header, 60_000);
  const kept = Array.from({ length: 6 }, (_, at) => cache.get(`scope ${at}`) !== undefined);
  expect(kept).toEqual([false, false, false, true, true, true]);
  cache.set("late", "Bearer x", -1);
  expect(cache.get("late")).toBeUndefined();
});
