import { describe, expect, test } from "vitest";
import { formatReference, parseReference } from "./index.ts";

const hex = "a".repeat(64);

describe("parseReference", () => {
  test.each([
    ["alpine", "docker.io/library/alpine"],
    ["alpine:3.20", "docker.io/library/alpine:3.20"],
    ["docker.io/alpine", "docker.io/library/alpine"],
    ["index.docker.io/library/alpine", "docker.io/library/alpine"],
    ["o/r", "docker.io/o/r"],
    ["localhost/foo", "localhost/foo"],
    ["localhost:5000/foo:v1", "localhost:5000/foo:v1"],
    [`ghcr.io/o/r/s@sha256:${hex}`, `ghcr.io/o/r/s@sha256:${hex}`],
    [`a.b/c:tag@sha256:${hex}`, `a.b/c:tag@sha256:${hex}`],
    ["[::1]:5000/app", "[::1]:5000/app"],
    ["127.0.0.1:5000/a__b/c-d.e", "127.0.0.1:5000/a__b/c-d.e"],
  ])("%s is %s", (text, full) => {
    expect(formatReference(parseReference(text))).toBe(full);
    expect(formatReference(parseReference(full))).toBe(full);
  });

  test.each([
    "",
    "Alpine",
    "a b",
    "a/../b",
    "a:",
    "a:.x",
    ":tag",
    "a@sha256:abc",
    "a//b",
    "-a",
    "a..b",
    "host:port/a",
    `a:${"t".repeat(129)}`,
    `${"a".repeat(256)}`,
    "a.b/",
    "http://a/b",
  ])("%j is refused", (text) => {
    expect(() => parseReference(text)).toThrow(expect.objectContaining({ name: "GantryError" }));
  });
});
