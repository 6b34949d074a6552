import { GantryError } from "../base/error.ts";
import { defaultLimits, type Limits } from "../base/limits.ts";
import { compareBytes, textOf, utf8 } from "./bytes.ts";
import { decodeDocument, decodeImage, decodeLayoutIndex } from "./decode.ts";
import { index, manifest } from "./documents.ts";
import { quote, type Style, styleOf, write } from "./encode.ts";
import { image } from "./image-document.ts";
import { isObject, type Schema } from "./schema.ts";
import { type JsonNode, type JsonPart, parseTree } from "./tree.ts";
import type { Image, Index, Manifest } from "./types.ts";

/**
 * The bytes of a manifest after a change. Unchanged parts keep every byte: order, nulls, white space, escapes and the
 * notation of numbers. New parts are written in the style of the document, in the place where Go would write them.
 * @param change takes the decoded manifest and returns the new one; it need not copy unchanged parts
 * @throws errors of decoding, also if the result is not a manifest
 */
export function editManifest(
  bytes: Uint8Array,
  change: (manifest: Manifest) => Manifest,
  limits: Limits = defaultLimits,
): Buffer {
  const decode = (it: Uint8Array): Manifest => {
    const document = decodeDocument(it, undefined, "manifest", limits);
    if (document.kind === "manifest") return document.manifest;
    throw new GantryError("UNSUPPORTED_MEDIA_TYPE", `the document is a ${document.mediaType}; editIndex changes those`);
  };
  return edit(bytes, manifest, decode, change);
}

/** As {@link editManifest}, for an index. */
export function editIndex(bytes: Uint8Array, change: (index: Index) => Index, limits: Limits = defaultLimits): Buffer {
  const decode = (it: Uint8Array): Index => {
    const document = decodeDocument(it, undefined, "index", limits);
    if (document.kind === "index") return document.index;
    throw new GantryError(
      "UNSUPPORTED_MEDIA_TYPE",
      `the document is a ${document.mediaType}; editManifest changes those`,
    );
  };
  return edit(bytes, index, decode, change);
}

/** As {@link editManifest}, for the index.json of a layout, whose limit is larger. */
export function editLayoutIndex(
  bytes: Uint8Array,
  change: (index: Index) => Index,
  limits: Limits = defaultLimits,
): Buffer {
  return edit(bytes, index, (it) => decodeLayoutIndex(it, "index.json", limits), change);
}

/** As {@link editManifest}, for an image configuration. */
export function editImage(bytes: Uint8Array, change: (image: Image) => Image, limits: Limits = defaultLimits): Buffer {
  return edit(bytes, image, (it) => decodeImage(it, "image config", limits), change);
}

function edit<T>(
  bytes: Uint8Array,
  schema: Schema,
  decode: (bytes: Uint8Array) => T,
  change: (document: T) => T,
): Buffer {
  // Decoded twice, so that `change` may change its argument in place.
  const before = decode(bytes);
  const after = change(decode(bytes));
  const text = textOf(bytes);
  const tree = parseTree(text);
  const written = new Rewriter(text).rewrite(tree, { before, after, schema }, "");
  const result = utf8(text.slice(0, tree.start) + written + text.slice(tree.end));
  decode(result);
  return result;
}

/** A decoded value before and after the change. */
interface Change {
  readonly before: unknown;
  readonly after: unknown;
  readonly schema: Schema | undefined;
}

/** One part of the new text, and the index of the old part that it replaces, if there is one. */
interface Written {
  readonly text: string;
  readonly part?: number | undefined;
}

class Rewriter {
  readonly #text: string;
  readonly #style: Style;

  constructor(text: string) {
    this.#text = text;
    this.#style = styleOf(text);
  }

  /** @param indent the indentation of the line that the value begins on */
  rewrite(node: JsonNode, { before, after, schema }: Change, indent: string): string {
    const old = this.#text.slice(node.start, node.end);
    if (isSame(before, after) || (after === null && old === "null")) return old;
    const { parts = [] } = node;
    const style = this.#styleWithin(node);
    const inner = this.#indentWithin(node, indent);
    if (parts.length > 0 && node.kind === "object" && isObject(before) && isObject(after)) {
      return this.#join(node, this.#members(parts, { before, after, schema }, style, inner));
    }
    if (parts.length > 0 && node.kind === "list" && Array.isArray(before) && Array.isArray(after)) {
      return this.#join(node, this.#elements(parts, { before, after, schema }, style, inner));
    }
    return write(after, schema, this.#style, indent);
  }

  #members(
    parts: readonly JsonPart[],
    { before, after, schema }: { before: object; after: object; schema: Schema | undefined },
    style: Style,
    indent: string,
  ): Written[] {
    const written: (Written & { readonly key: string })[] = [];
    for (const [at, { start, key = "", value }] of parts.entries()) {
      const change = { before: own(before, key), after: own(after, key), schema: schema?.child?.(key) };
      // A null was decoded as an absent field. It stays if the field is still absent.
      if (change.after === undefined && change.before !== undefined) continue;
      const text = this.#text.slice(start, value.start) + this.rewrite(value, change, indent);
      written.push({ key, text, part: at });
    }
    const had = new Set(parts.map(({ key }) => key));
    const isOrdered = isSorted(written.map(({ key }) => key));
    for (const [key, value] of Object.entries(after)) {
      // A default that decoding filled in for an absent field is not written.
      if (had.has(key) || value === undefined || isSame(own(before, key), value)) continue;
      const text = `${quote(key, style)}${style.colon}${write(value, schema?.child?.(key), style, indent)}`;
      written.splice(
        placeFor(
          key,
          written.map((it) => it.key),
          schema,
          isOrdered,
        ),
        0,
        { key, text },
      );
    }
    return written;
  }

  /** Unchanged elements keep their text, also at another index. The others replace old elements that are not kept. */
  #elements(
    parts: readonly JsonPart[],
    { before, after, schema }: { before: readonly unknown[]; after: readonly unknown[]; schema: Schema | undefined },
    style: Style,
    indent: string,
  ): Written[] {
    const unused = new Map<string, number[]>();
    for (const [at, value] of before.entries()) {
      const key = JSON.stringify(value);
      const others = unused.get(key);
      if (others) others.push(at);
      else unused.set(key, [at]);
    }
    const same = after.map((value) => unused.get(JSON.stringify(value))?.shift());
    const changed = [...unused.values()].flat().sort((a, b) => a - b);
    const item = schema?.child?.("0");
    return after.map((value, at) => {
      const kept = same[at];
      if (kept !== undefined) return { text: this.#slice(parts[kept]!.value), part: kept };
      const part = changed.shift();
      if (part === undefined) return { text: write(value, item, style, indent) };
      return {
        text: this.rewrite(parts[part]!.value, { before: before[part], after: value, schema: item }, indent),
        part,
      };
    });
  }

  #slice({ start, end }: JsonNode): string {
    return this.#text.slice(start, end);
  }

  /** Joins the brackets and the parts. Each old part keeps the comma and white space before it. */
  #join(node: JsonNode, written: readonly Written[]): string {
    const { parts = [] } = node;
    const [open, close] = node.kind === "object" ? "{}" : "[]";
    if (written.length === 0) return `${open}${close}`;
    const lead = this.#lead(node);
    const gap = (part: number): string => this.#text.slice(parts[part - 1]!.value.end, parts[part]!.start);
    const usual = parts.length > 1 ? gap(1) : lead.includes("\n") ? `,${lead}` : this.#style.comma;
    const body = written.map(({ text, part }, at) => (at === 0 ? lead : part ? gap(part) : usual) + text);
    return `${open}${body.join("")}${this.#text.slice(parts.at(-1)!.value.end, node.end - 1)}${close}`;
  }

  /** The white space between an opening bracket and the first part. */
  #lead({ start, parts = [] }: JsonNode): string {
    return this.#text.slice(start + 1, parts[0]?.start ?? start + 1);
  }

  #indentWithin(node: JsonNode, indent: string): string {
    const lead = this.#lead(node);
    return lead.includes("\n") ? lead.slice(lead.lastIndexOf("\n") + 1) : indent;
  }

  /** New parts of a list or object on one line are written on that line. */
  #styleWithin(node: JsonNode): Style {
    return this.#lead(node).includes("\n") ? this.#style : { ...this.#style, indent: "" };
  }
}

const own = (value: object, key: string): unknown =>
  Object.hasOwn(value, key) ? (value as Record<string, unknown>)[key] : undefined;

/** Whether two values are the same in JSON, which has no undefined fields. */
function isSame(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((item, at) => isSame(item, b[at]));
  if (!isObject(a) || !isObject(b)) return false;
  return [...new Set([...Object.keys(a), ...Object.keys(b)])].every((key) => isSame(own(a, key), own(b, key)));
}

const isSorted = (keys: readonly string[]): boolean =>
  keys.every((key, at) => at === 0 || compareBytes(keys[at - 1]!, key) < 0);

/** The index of a new key: before the first key that comes later in the specification, or in a sorted map. */
function placeFor(key: string, keys: readonly string[], schema: Schema | undefined, isOrdered: boolean): number {
  const known = schema?.keys ?? [];
  const rank = known.indexOf(key);
  const isAfter = (other: string): boolean =>
    schema?.kind === "map" ? isOrdered && compareBytes(other, key) > 0 : rank >= 0 && known.indexOf(other) > rank;
  const before = keys.findIndex(isAfter);
  return before < 0 ? keys.length : before;
}
