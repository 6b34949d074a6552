import { GantryError } from "../base/error.ts";

export type Operator = "present" | "==" | "!=" | "~=";

/** One condition of a filter. */
export interface Selector {
  /** `["labels", "team"]` for `labels.team`. */
  readonly field: readonly string[];
  readonly operator: Operator;
  readonly value: string;
  /** Where the value begins in the expression, for messages. */
  readonly at: number;
}

/** A filter. An image passes if it meets every selector; without selectors every image passes. */
export interface Filter {
  readonly text: string;
  readonly selectors: readonly Selector[];
}

/**
 * Reads a filter in containerd's language: `name==docker.io/library/alpine:3.20`, `labels.team==core,name~=alpine`,
 * `labels."org.example/x"`. Fields are `name`, `target.digest`, `target.mediatype` and `labels.KEY`; operators are
 * `==`, `!=` and `~=` (an RE2 expression that matches anywhere), and a field alone asks whether it is present. A comma
 * is AND. A bare value ends at a comma or space. A value may be quoted with `"`, and one of `~=` also with `/` or `|`.
 * Inside quotes a backslash begins an escape of Go's strings, so the expression `a\.b` is written `/a\\.b/`.
 * @throws INVALID_FILTER with the position
 */
export function parseFilter(text: string): Filter {
  const fail = (at: number, why: string): never => {
    throw new GantryError(
      "INVALID_FILTER",
      `the filter ${JSON.stringify(text)} is wrong at character ${at + 1}: ${why}; expected something like labels.team==core,name~=alpine`,
      { details: { position: at + 1 } },
    );
  };
  let at = 0;
  const skipSpace = (): void => {
    while (/\s/.test(text[at] ?? "")) at += 1;
  };

  /** As in containerd, all kinds of quotes have the same escapes: a backslash is always written `\\`. */
  function quoted(): string {
    const start = at;
    const quote = text[at]!;
    const bytes: Buffer[] = [];
    for (at += 1; text[at] !== quote; at += 1) {
      if (at >= text.length || text[at] === "\n") {
        return fail(
          start,
          `the ${quote} that begins here does not end${at < text.length ? " before the new line" : ""}`,
        );
      }
      const whole = String.fromCodePoint(text.codePointAt(at)!);
      at += whole.length - 1;
      bytes.push(whole === "\\" ? escaped(quote) : Buffer.from(whole));
    }
    at += 1;
    try {
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(Buffer.concat(bytes));
    } catch {
      return fail(start, "the escapes in this value do not make valid UTF-8");
    }
  }

  /** The bytes of an escape: `\x` or three octal digits give one byte, others a character. `at` moves to its end. */
  function escaped(quote: string): Buffer {
    const simple = { n: "\n", t: "\t", r: "\r", a: "\x07", b: "\b", f: "\f", v: "\v", "\\": "\\", [quote]: quote };
    const start = at;
    const rest = text.slice(start + 1, start + 10);
    const char = rest[0] ?? "";
    if (Object.hasOwn(simple, char)) {
      at += 1;
      return Buffer.from(simple[char as keyof typeof simple]!);
    }
    const [match, octal, hex, short, long] =
      /^(?:([0-7]{3})|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))/.exec(rest) ?? [];
    const byte = Number.parseInt(octal ?? hex ?? "", octal ? 8 : 16);
    const point = Number.parseInt(short ?? long ?? "", 16);
    at += match?.length ?? 0;
    if (byte <= 0xff) return Buffer.from([byte]);
    if (point <= 0x10ffff && (point < 0xd800 || point > 0xdfff)) return Buffer.from(String.fromCodePoint(point));
    return fail(start, `this escape is unknown; write \\\\ for a backslash`);
  }

  function fieldPart(): string {
    if (text[at] === '"') return quoted();
    const part = /^[A-Za-z0-9_]+/.exec(text.slice(at))?.[0];
    if (part === undefined) return fail(at, "a field is missing here");
    at += part.length;
    if (/[^\s,.=!~]/.test(text[at] ?? "")) {
      const whole = /^[^\s,.=!~]+/.exec(text.slice(at - part.length))![0];
      return fail(at, `a field with ${JSON.stringify(text[at])} must be quoted: ${JSON.stringify(whole)}`);
    }
    return part;
  }

  function value(operator: Operator): string {
    if (text[at] === '"' || text[at] === "/" || text[at] === "|") {
      if (text[at] !== '"' && operator !== "~=") {
        return fail(at, `only an expression of ~= can be quoted with ${text[at]}; quote this value with "`);
      }
      const inner = quoted();
      if (at < text.length && !/[\s,]/.test(text[at]!)) return fail(at, "a comma is missing after the quoted value");
      return inner;
    }
    if (/[=!~]/.test(text[at] ?? "")) return fail(at, `a value that begins with ${text[at]} must be quoted`);
    const bare = /^[^\s,]*/.exec(text.slice(at))![0];
    at += bare.length;
    return bare === "" ? fail(at, "a value is missing here") : bare;
  }

  function selector(): Selector {
    const field = [fieldPart()];
    while (text[at] === ".") {
      at += 1;
      field.push(fieldPart());
    }
    skipSpace();
    const signs = /^[=!~]*/.exec(text.slice(at))![0];
    const operator = (["==", "!=", "~="] as const).find((candidate) => candidate === signs);
    if (!operator) {
      if (signs !== "") return fail(at, `${signs} is not an operator; the operators are ==, != and ~=`);
      if (at < text.length && text[at] !== ",") return fail(at, "an operator is missing here: ==, != or ~=");
      return { field, operator: "present", value: "", at };
    }
    at += operator.length;
    skipSpace();
    const start = at;
    return { field, operator, value: value(operator), at: start };
  }

  const selectors: Selector[] = [];
  skipSpace();
  while (at < text.length) {
    selectors.push(selector());
    skipSpace();
    if (at >= text.length) break;
    if (text[at] !== ",") fail(at, "a comma is missing here");
    at += 1;
    skipSpace();
    if (at >= text.length) fail(at, "a condition is missing after the comma");
  }
  return { text, selectors };
}
