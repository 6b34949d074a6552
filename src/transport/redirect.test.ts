import { expect, test } from "vitest";
import { isPrivateAddress } from "./addresses.ts";
import { redactUrl } from "./redact.ts";
import { nextHop } from "./redirect.ts";

test("private addresses are recognized in every spelling, and names that only resemble them are not", () => {
  for (const host of [
    "127.0.0.1",
    "127.9.9.9",
    "localhost",
    "[::1]",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "[fe80::1]",
    "[fd00::1]",
    "[::ffff:10.0.0.1]",
    "0.0.0.0",
  ]) {
    expect([host, isPrivateAddress(host)]).toEqual([host, true]);
  }
  for (const host of [
    "example.com",
    "evil-localhost.com",
    "127.0.0.1.evil",
    "8.8.8.8",
    "172.32.0.1",
    "[2001:db8::1]",
  ]) {
    expect([host, isPrivateAddress(host)]).toEqual([host, false]);
  }
});

test("a redirect never weakens the protocol, and never leads from a public host to a private one", () => {
  const from = new URL("https://registry.example/v2/a");
  const outside = { isPrivate: false, redact: (text: string) => text };
  expect(nextHop(from, "/b", outside).href).toBe("https://registry.example/b");
  expect(nextHop(from, "http://registry.example/b", outside).href).toBe("https://registry.example/b");
  for (const location of [
    "http://other.example/",
    "https://169.254.169.254/",
    "https://localhost/",
    "ftp://x/",
    undefined,
  ]) {
    expect(() => nextHop(from, location, outside)).toThrow(expect.objectContaining({ name: "GantryError" }));
  }
  expect(redactUrl("https://user:pass@h/p?sig=secret&n=1#x")).toBe("https://h/p?sig=***&n=1");
});
