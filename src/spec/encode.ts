import { descriptor, image, index, layout, manifest } from "./documents.ts";
import { isObject, type Schema, shapeOf } from "./schema.ts";
import type { Descriptor, Image, ImageLayout, Index, Manifest } from "./types.ts";

/** How a document was written, apart from its content. */
interface Style {
  /** What one level is indented by; the empty string is all on one line. */
  readonly indent: string;
  /** Between a key and its value. */
  readonly colon: string;
  readonly end: string;
  /** Whether `<`, `>` and `&` are escaped, as Go does unless it is told not to. */
  readonly html: boolean;
  /** Whether backspace and form feed are written by number, as Go did before 1.22. */
  readonly numbered: boolean;
}

const goStyle: Style = { indent: "", colon: ":", end: "", html: true, numbered: false };
const styles = new WeakMap<object, Style>();

/** Keeps the style of a document that is being decoded, so that encoding it again gives the same bytes. */
export function rememberStyle(text: string, document: object): void {
  styles.set(document, {
    indent: /^\{\n([ \t]+)/.exec(text)?.[1] ?? "",
    colon: /^\{\s*"(?:[^"\\]|\\.)*"(: ?)/.exec(text)?.[1] ?? ":",
    end: /\n+$/.exec(text)?.[0] ?? "",
    html: !/[<>&]/.test(text),
    numbered: /\\u000[8c]/.test(text),
  });
}

/**
 * Writes a document as Go marshals it: fields in the order of the specification, map keys in the order of their
 * bytes, `<`, `>`, `&` and U+2028/9 escaped, nothing between tokens. A document that came out of a decoder, and each
 * part of it, keeps its own order, its nulls and its layout: what Go wrote comes back byte for byte.
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

/** Any value as Go marshals what it unmarshalled without knowing its type. */
export function encodeJson(value: unknown): Buffer {
  return encode(value, undefined);
}

function encode(document: unknown, schema: Schema | undefined): Buffer {
  const style = (isObject(document) && styles.get(document)) || goStyle;
  return Buffer.from(write(document, schema, style, "") + style.end);
}

function write(value: unknown, schema: Schema | undefined, style: Style, indent: string): string {
  if (typeof value === "string") return quote(value, style);
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null";
  const inner = indent + style.indent;
  const items = Array.isArray(value)
    ? value.map((item) => write(item, schema?.child?.("0"), style, inner))
    : entriesOf(value as Record<string, unknown>, schema).map(
        ([key, item]) => `${quote(key, style)}${style.colon}${write(item, schema?.child?.(key), style, inner)}`,
      );
  const [open, close] = Array.isArray(value) ? "[]" : "{}";
  if (style.indent === "" || items.length === 0) return `${open}${items.join(",")}${close}`;
  return `${open}\n${inner}${items.join(`,\n${inner}`)}\n${indent}${close}`;
}

/** The members of an object in the order in which they are written. */
function entriesOf(value: Record<string, unknown>, schema: Schema | undefined): [string, unknown][] {
  const present = Object.keys(value).filter((key) => value[key] !== undefined);
  // Only maps have keys like 10, which JavaScript puts first, whatever their order was.
  if (schema?.kind === "map" || (!schema && present.some((key) => /^\d+$/.test(key)))) {
    return present.sort(compareBytes).map((key) => [key, value[key]]);
  }
  const shape = shapeOf(value);
  const known = schema?.keys ?? [];
  if (!shape) return inOrder(present, known).map((key) => [key, value[key]]);
  const isEmpty = (item: unknown): boolean => item === "" || (Array.isArray(item) && item.length === 0);
  const entries: [string, unknown][] = [];
  for (const key of shape.keys) {
    if (shape.nulls.has(key) && (!Object.hasOwn(value, key) || isEmpty(value[key]))) entries.push([key, null]);
    else if (Object.hasOwn(value, key) && value[key] !== undefined) entries.push([key, value[key]]);
  }
  for (const key of present) {
    if (shape.keys.includes(key) || (shape.filled.has(key) && isEmpty(value[key]))) continue;
    // A field that is new goes where Go would have written it.
    const rank = known.indexOf(key);
    const before = rank < 0 ? -1 : entries.findIndex(([other]) => known.indexOf(other) > rank);
    entries.splice(before < 0 ? entries.length : before, 0, [key, value[key]]);
  }
  return entries;
}

/** Fields that are known first, in their order; then the others as they are. */
function inOrder(keys: readonly string[], known: readonly string[]): string[] {
  return [...known.filter((key) => keys.includes(key)), ...keys.filter((key) => !known.includes(key))];
}

/** The order of the UTF-8 bytes, as Go sorts: not that of JavaScript beyond U+FFFF. */
function compareBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

const lineSeparators = /[\u2028\u2029]/g;
const loneSurrogates = /\\ud[89a-f][0-9a-f]{2}/g;

function quote(text: string, style: Style): string {
  let quoted = JSON.stringify(text)
    .replace(lineSeparators, escapeCode)
    // What is no character comes out of Go as the replacement character.
    .replace(loneSurrogates, (found, at: number, all: string) => (isEscape(all, at) ? "\\ufffd" : found));
  if (style.html) quoted = quoted.replace(/[<>&]/g, escapeCode);
  if (style.numbered) {
    quoted = quoted.replace(/\\./g, (pair) => (pair === "\\b" ? "\\u0008" : pair === "\\f" ? "\\u000c" : pair));
  }
  return quoted;
}

const escapeCode = (char: string): string => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`;

/** Whether the backslash at `at` begins an escape, and is not the second half of an escaped backslash. */
function isEscape(text: string, at: number): boolean {
  let backslashes = 0;
  while (text[at - 1 - backslashes] === "\\") backslashes += 1;
  return backslashes % 2 === 0;
}

/** A time as Go marshals it (RFC3339Nano): UTC, fractions without the zeros at their end. */
export function formatTime(time: Date): string {
  return time.toISOString().replace(/\.?0*Z$/, "Z");
}
