import { compareBytes, utf8 } from "./bytes.ts";
import { descriptor, index, layout, manifest } from "./documents.ts";
import { image } from "./image-document.ts";
import { isObject, type Schema, shapeOf } from "./schema.ts";
import type { Descriptor, Image, ImageLayout, Index, Manifest } from "./types.ts";

/** How a document is written, apart from its content. */
export interface Style {
  /** The indentation of one level; the empty string puts all on one line. */
  readonly indent: string;
  /** Between a key and its value. */
  readonly colon: string;
  /** Between members on one line. */
  readonly comma: string;
  readonly end: string;
  /** Whether `<`, `>` and `&` are escaped, which is the default of Go. */
  readonly html: boolean;
  /** Whether backspace and form feed are written by number, as Go did before 1.22. */
  readonly numbered: boolean;
  /** Whether the replacement character is written by number: Go does that for invalid bytes that it replaced. */
  readonly replaced: boolean;
}

const goStyle: Style = { indent: "", colon: ":", comma: ",", end: "", html: true, numbered: false, replaced: false };
const styles = new WeakMap<object, Style>();

/** Keeps the style of a decoded document, so that encoding it gives the same bytes. */
export function rememberStyle(text: string, document: object): void {
  styles.set(document, styleOf(text));
}

export function styleOf(text: string): Style {
  let end = text.length;
  while (text[end - 1] === "\n") end -= 1;
  const indent = /^\{\n([ \t]+)/.exec(text)?.[1] ?? "";
  return {
    indent,
    colon: /^\{\s*"(?:[^"\\]|\\.)*"(: ?)/.exec(text)?.[1] ?? ":",
    comma: indent === "" && /[\]}"\del], ["{[\dtfn-]/.test(text) && !/[\]}"\del],["{[\dtfn-]/.test(text) ? ", " : ",",
    end: text.slice(end),
    html: !/[<>&]/.test(text),
    numbered: isEscaped(text, "000[8c]"),
    replaced: isEscaped(text, "fffd"),
  };
}

/** Whether the text has the escape, and not an escaped backslash before the same letters. */
function isEscaped(text: string, digits: string): boolean {
  return new RegExp(`(?:^|[^\\\\])(?:\\\\\\\\)*\\\\u${digits}`, "i").test(text);
}

/**
 * Writes a document as Go marshals it: fields in the order of the specification, map keys sorted by their bytes, `<`,
 * `>`, `&` and U+2028/9 escaped, no white space, empty optional lists, maps and texts left out. A decoded document, and
 * each part of it, keeps its order, nulls and white space: a document that Go wrote comes back byte for byte.
 */
export function encodeManifest(document: Manifest): Buffer {
  return encode(document, manifest);
}

/** As {@link encodeManifest}, for an index. */
export function encodeIndex(document: Index): Buffer {
  return encode(document, index);
}

/** As {@link encodeManifest}, for an image configuration. */
export function encodeImage(document: Image): Buffer {
  return encode(document, image);
}

/** As {@link encodeManifest}, for one descriptor. */
export function encodeDescriptor(document: Descriptor): Buffer {
  return encode(document, descriptor);
}

/** As {@link encodeManifest}, for an oci-layout file. */
export function encodeImageLayout(document: ImageLayout): Buffer {
  return encode(document, layout);
}

/** Any value as Go marshals values without a type: the keys of every object are sorted by their bytes. */
export function encodeJson(value: unknown): Buffer {
  return encode(value, anything);
}

const anything: Schema = { kind: "map", check() {}, child: () => anything };

function encode(document: unknown, schema: Schema | undefined): Buffer {
  const style = (isObject(document) && styles.get(document)) || goStyle;
  return utf8(write(document, schema, style, "") + style.end);
}

/** @param indent the indentation of the line that the value begins on */
export function write(value: unknown, schema: Schema | undefined, style: Style, indent: string): string {
  if (typeof value === "string") return quote(value, style);
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null";
  const inner = indent + style.indent;
  const items = Array.isArray(value)
    ? value.map((item) => write(item, schema?.child?.("0"), style, inner))
    : entriesOf(value as Record<string, unknown>, schema).map(
        ([key, item]) => `${quote(key, style)}${style.colon}${write(item, schema?.child?.(key), style, inner)}`,
      );
  const [open, close] = Array.isArray(value) ? "[]" : "{}";
  if (style.indent === "" || items.length === 0) return `${open}${items.join(style.comma)}${close}`;
  return `${open}\n${inner}${items.join(`,\n${inner}`)}\n${indent}${close}`;
}

/** The members of an object in the order in which they are written. */
function entriesOf(value: Record<string, unknown>, schema: Schema | undefined): [string, unknown][] {
  const present = Object.keys(value).filter((key) => value[key] !== undefined);
  const shape = shapeOf(value);
  // JavaScript puts keys like 10 first, and so loses their order. Only maps have such keys.
  if (schema?.kind === "map" || (!schema && present.some(isInteger))) {
    const named = present.filter((key) => !isInteger(key));
    // Go did not write a decoded map that is in another order: it keeps its order.
    const other = shape && named.some((key, at) => at > 0 && compareBytes(named[at - 1]!, key) > 0);
    return (other ? present : present.sort(compareBytes)).map((key) => [key, value[key]]);
  }
  const known = schema?.keys ?? [];
  if (!shape) {
    const written = present.filter((key) => !schema?.optional?.has(key) || !isZero(value[key], schema.child?.(key)));
    return inOrder(written, known).map((key) => [key, value[key]]);
  }
  const had = new Set(shape.keys);
  const isEmpty = (item: unknown): boolean => item === "" || (Array.isArray(item) && item.length === 0);
  const entries: [string, unknown][] = [];
  for (const key of shape.keys) {
    if (shape.nulls.has(key) && (!Object.hasOwn(value, key) || isEmpty(value[key]))) entries.push([key, null]);
    else if (Object.hasOwn(value, key) && value[key] !== undefined) entries.push([key, value[key]]);
  }
  for (const key of present) {
    if (had.has(key) || (shape.filled.has(key) && isEmpty(value[key]))) continue;
    // A new field goes where Go would write it.
    const rank = known.indexOf(key);
    const before = rank < 0 ? -1 : entries.findIndex(([other]) => known.indexOf(other) > rank);
    entries.splice(before < 0 ? entries.length : before, 0, [key, value[key]]);
  }
  return entries;
}

const isInteger = (key: string): boolean => /^\d+$/.test(key);

/** Whether Go leaves out an optional field with this value. */
function isZero(value: unknown, schema: Schema | undefined): boolean {
  if (Array.isArray(value)) return value.length === 0;
  return (
    value === "" || value === false || (schema?.kind === "map" && isObject(value) && Object.keys(value).length === 0)
  );
}

/** Known fields in their order, then the others in theirs. */
function inOrder(keys: readonly string[], known: readonly string[]): string[] {
  return [...known.filter((key) => keys.includes(key)), ...keys.filter((key) => !known.includes(key))];
}

const lineSeparators = /[\u2028\u2029]/g;
const loneSurrogates = /\\ud[89a-f][0-9a-f]{2}/g;

export function quote(text: string, style: Style): string {
  let quoted = JSON.stringify(text)
    .replace(lineSeparators, escapeCode)
    // Go writes half a surrogate pair as the replacement character.
    .replace(loneSurrogates, (found, at: number, all: string) => (isEscape(all, at) ? "\\ufffd" : found));
  if (style.replaced) quoted = quoted.replaceAll("\ufffd", "\\ufffd");
  if (style.html) quoted = quoted.replace(/[<>&]/g, escapeCode);
  if (style.numbered) {
    quoted = quoted.replace(/\\./g, (pair) => (pair === "\\b" ? "\\u0008" : pair === "\\f" ? "\\u000c" : pair));
  }
  return quoted;
}

const escapeCode = (char: string): string => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`;

/** Whether the backslash at `at` begins an escape, and is not itself escaped. */
function isEscape(text: string, at: number): boolean {
  let backslashes = 0;
  while (text[at - 1 - backslashes] === "\\") backslashes += 1;
  return backslashes % 2 === 0;
}

/** A time as Go marshals it (RFC3339Nano): UTC, without trailing zeros of the fraction. */
export function formatTime(time: Date): string {
  return time.toISOString().replace(/\.?0*Z$/, "Z");
}
