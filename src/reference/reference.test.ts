import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Digest, parseDigest } from "../spec/index.ts";
import { parseHost, parseRef, Reference, type RepoName, type Tag } from "./index.ts";

const hex = "a".repeat(64);
const digest = parseDigest(`sha256:${hex}`);

describe("parseRef", () => {
  test.each([
    ["alpine", "docker.io/library/alpine"],
    ["alpine:3.20", "docker.io/library/alpine:3.20"],
    ["docker.io/alpine", "docker.io/library/alpine"],
    ["index.docker.io/library/alpine", "docker.io/library/alpine"],
    ["registry-1.docker.io/o/r", "docker.io/o/r"],
    ["registry.hub.docker.com/o/r", "docker.io/o/r"],
    ["www.docker.io/r", "docker.io/library/r"],
    ["o/r", "docker.io/o/r"],
    ["a/b/c/d", "docker.io/a/b/c/d"],
    ["localhost", "docker.io/library/localhost"],
    ["localhost/foo", "localhost/foo"],
    ["localhost:5000/foo:v1", "localhost:5000/foo:v1"],
    ["LOCAL/foo", "LOCAL/foo"],
    ["foo.com/bar", "foo.com/bar"],
    ["foo:5000/bar", "foo:5000/bar"],
    ["foo:5000", "docker.io/library/foo:5000"],
    [`ghcr.io/o/r/s@sha256:${hex}`, `ghcr.io/o/r/s@sha256:${hex}`],
    [`a.b/c:tag@sha256:${hex}`, `a.b/c:tag@sha256:${hex}`],
    [`a@sha512:${hex}${hex}`, `docker.io/library/a@sha512:${hex}${hex}`],
    ["[::1]:5000/app", "[::1]:5000/app"],
    ["[2001:db8::1]/app:v1", "[2001:db8::1]/app:v1"],
    ["127.0.0.1:5000/a__b/c-d.e", "127.0.0.1:5000/a__b/c-d.e"],
    ["xn--7o8h.com/myimage:xn--7o8h", "xn--7o8h.com/myimage:xn--7o8h"],
    ["a.b/c:UPPER_lower.-9", "a.b/c:UPPER_lower.-9"],
    [`a:${"t".repeat(128)}`, `docker.io/library/a:${"t".repeat(128)}`],
    [`a.b/${"a".repeat(255)}`, `a.b/${"a".repeat(255)}`],
    ["a----b/c", "docker.io/a----b/c"],
  ])("%s is %s", (text, full) => {
    expect(parseRef(text).toFullString()).toBe(full);
    expect(parseRef(full).toFullString()).toBe(full);
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
    `a@sha256:${hex.toUpperCase()}`,
    `a@sha256:${hex}@sha256:${hex}`,
    "a//b",
    "/a",
    "a/",
    "-a",
    "a-",
    "a..b",
    "a___b",
    "a._b",
    "host:port/a",
    "[::1/a",
    "a.b:/c",
    "a.b:65536/c",
    `a.b:${"9".repeat(400)}/c`,
    "-a.b/c",
    `a:${"t".repeat(129)}`,
    `a.b/${"a".repeat(256)}`,
    "a.b/",
    "a.b/C",
    "http://a/b",
    "a\n",
    "a:b:c",
  ])("%j is refused", (text) => {
    expect(() => parseRef(text)).toThrow(expect.objectContaining({ name: "GantryError" }));
  });
});

describe("a reference", () => {
  test.each([
    ["docker.io/library/alpine:3.20", "alpine:3.20"],
    ["docker.io/o/r", "o/r"],
    // The short form of these would name another repository.
    ["docker.io/library/a/b", "library/a/b"],
    ["docker.io/foo.com/bar", "docker.io/foo.com/bar"],
    ["docker.io/localhost/bar", "docker.io/localhost/bar"],
    ["docker.io/library/foo.com/bar", "library/foo.com/bar"],
    ["docker.io/library/library", "library"],
    ["ghcr.io/o/r", "ghcr.io/o/r"],
    [`docker.io/library/a:b@${digest}`, `a:b@${digest}`],
  ])("%s is written %s", (full, short) => {
    expect(String(parseRef(full))).toBe(short);
    expect(parseRef(short).toFullString()).toBe(full);
    expect(parseRef(JSON.parse(JSON.stringify(parseRef(full))) as string)).toEqual(parseRef(full));
  });

  test("leaves out a known digest and no other", () => {
    const known = parseRef(`a:b@${digest}`);
    expect(known.stringWithKnownDigest(digest)).toBe("a:b");
    expect(known.stringWithKnownDigest(`sha256:${"b".repeat(64)}` as Digest)).toBe(`a:b@${digest}`);
    expect(parseRef("a:b").stringWithKnownDigest(digest)).toBe("a:b");
  });

  test("normalizes the names of Docker Hub and keeps the tag; `wanted` is the digest, else the tag, else latest", () => {
    const made = new Reference({ host: "index.docker.io", repository: "alpine" as RepoName });
    expect(made.normalize()).toEqual(parseRef("alpine"));
    expect(made.normalize().tag).toBeUndefined();
    expect([parseRef("a").wanted, parseRef("a:b").wanted, parseRef(`a:b@${digest}`).wanted]).toEqual([
      "latest",
      "b",
      digest,
    ]);
    const elsewhere = new Reference({ host: "a.b", repository: "c" as RepoName, tag: "v1" as Tag });
    expect(elsewhere.normalize()).toEqual(elsewhere);
  });

  test("is the same in its short and its full form", () => {
    const word = fc.constantFrom("library", "a", "b-c", "localhost", "foo.com", "x__y", "docker.io", "1");
    const host = fc.constantFrom("docker.io", "index.docker.io", "a.b", "localhost", "localhost:5000", "[::1]", "Foo");
    const made = fc.record({ host, words: fc.array(word, { minLength: 1, maxLength: 4 }), tagged: fc.boolean() });
    fc.assert(
      fc.property(made, ({ host: at, words, tagged }) => {
        const reference = new Reference({
          host: at,
          repository: words.join("/") as RepoName,
          tag: tagged ? ("v1" as Tag) : undefined,
        }).normalize();
        expect(parseRef(reference.toString())).toEqual(reference);
        expect(parseRef(reference.toFullString())).toEqual(reference);
      }),
    );
  });

  test("parseHost takes the host of a registry", () => {
    expect(["docker.io", "index.docker.io", "a.b:65535", "[::1]", "host"].map(parseHost)).toEqual([
      "docker.io",
      "docker.io",
      "a.b:65535",
      "[::1]",
      "host",
    ]);
    for (const text of ["", "a b", "a/b", "a:b", "-a", "a\n", "a:65536"])
      expect(() => parseHost(text)).toThrow(/is not the host/);
  });
});
