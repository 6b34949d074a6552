import { describe, expect, test } from "vitest";
import { fitLine, table } from "./table.ts";
import { twoColumns, wrap } from "./wrap.ts";

const rows = [
  ["NAME", "DIGEST", "HERE"],
  ["registry.example/team/application:1.2.3", "0123456789ab", "partial: linux/arm64"],
  ["alpine:3.20", "0123456789ab", "complete"],
];

describe("table", () => {
  test("is whole without a terminal", () => {
    expect(table(rows, undefined, [0, 2])).toBe(
      [
        "NAME                                     DIGEST        HERE",
        "registry.example/team/application:1.2.3  0123456789ab  partial: linux/arm64",
        "alpine:3.20                              0123456789ab  complete",
        "",
      ].join("\n"),
    );
  });

  test("fits a terminal by cutting the middle out of the widest cells", () => {
    expect(table(rows, 50, [0, 2])).toBe(
      [
        "NAME               DIGEST        HERE",
        "registry…on:1.2.3  0123456789ab  partial:…ux/arm64",
        "alpine:3.20        0123456789ab  complete",
        "",
      ].join("\n"),
    );
    for (const columns of [30, 32, 40, 60, 73, 80]) {
      const widest = Math.max(
        ...table(rows, columns, [0, 2])
          .split("\n")
          .map((line) => line.length),
      );
      expect([columns, widest]).toEqual([columns, Math.min(75, Math.max(32, columns))]);
    }
  });
});

test("fitLine shortens digests before it cuts", () => {
  const line = `├── layer  sha256:${"ab".repeat(32)}  12.3 MiB`;
  expect(fitLine(line, undefined)).toBe(line);
  expect(fitLine(line, 200)).toBe(line);
  expect(fitLine(line, 60)).toBe("├── layer  sha256:abababababab…  12.3 MiB");
  expect(fitLine(line, 20)).toBe("├── layer  sha256:a…");
});

test("wrap breaks between words, and leaves long words whole", () => {
  expect(wrap("one two three", 7)).toEqual(["one two", "three"]);
  expect(wrap("a  very-long-word b", 6)).toEqual(["a", "very-long-word", "b"]);
  expect(wrap("", 10)).toEqual([]);
});

test("twoColumns puts explanations beside terms, and below long terms", () => {
  const list = [
    ["--a", "one two three four five"],
    ["--much-longer X", "six"],
  ] as const;
  expect(twoColumns(list, 25, 5)).toEqual(["--a  one two three four", "     five", "--much-longer X", "     six"]);
});
