import { expect, test } from "vitest";
import { parseChallenges } from "./challenge.ts";

test("challenges with quoted strings and several schemes are parsed; odd headers do not throw", () => {
  expect(parseChallenges('Bearer realm="https://a/t?x=\\"1\\", y",service=s , Basic realm=r, Negotiate')).toEqual([
    { scheme: "bearer", parameters: { realm: 'https://a/t?x="1", y', service: "s" } },
    { scheme: "basic", parameters: { realm: "r" } },
    { scheme: "negotiate", parameters: {} },
  ]);
  for (const odd of ["", ",,,", "=", '"', 'Bearer realm="unclosed', "Bearer =x", "\u0000"])
    expect(Array.isArray(parseChallenges(odd))).toBe(true);
});
