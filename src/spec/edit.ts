import { GantryError } from "../base/error.ts";
import { defaultLimits, type Limits } from "../base/limits.ts";
import { decodeDocument, decodeImage, decodeLayoutIndex } from "./decode.ts";
import { index, manifest } from "./documents.ts";
import { compareBytes, quote, type Style, styleOf, write } from "./encode.ts";
import { image } from "./image-document.ts";
import { isObject, type Schema } from "./schema.ts";
import { type JsonNode, type JsonPart, parseTree } from "./tree.ts";
import type { Image, Index, Manifest } from "./types.ts";

/**
 * The bytes of a manifest after a change. What is the same before and after keeps every byte: the order, the nulls, the
 * space between tokens, escapes and the way numbers are written. What is new is written as the rest is, and stands
 * where Go would have put it.
 * @param change is given the decoded manifest and returns what it shall say; it need not copy what stays
 * @throws what decoding throws, also where the result would be no manifest
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
  // Twice: what is changed in place would be the same before and after.
  const before = decode(bytes);
  const after = change(decode(bytes));
  const text = Buffer.from(bytes).toString();
  const tree = parseTree(text);
  const written = new Rewriter(text).rewrite(tree, { before, after, schema }, "");
  const result = Buffer.from(text.slice(0, tree.start) + written + text.slice(tree.end));
  decode(result);
  return result;
}

/** A value as it was decoded, and as it shall be. */
interface Change {
  readonly before: unknown;
  readonly after: unknown;
  readonly schema: Schema | undefined;
}

/** What stands between brackets in the end: text that is new or changed, and the part that it was, if it was one. */
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

  /** @param indent what the line that the value begins on is indented by */
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
      // A null that was decoded as nothing stays where there still is nothing.
      if (change.after === undefined && change.before !== undefined) continue;
      const text = this.#text.slice(start, value.start) + this.rewrite(value, change, indent);
      written.push({ key, text, part: at });
    }
    const had = new Set(parts.map(({ key }) => key));
    const isOrdered = isSorted(written.map(({ key }) => key));
    for (const [key, value] of Object.entries(after)) {
      // What was filled in for a field that the text leaves out is left out again.
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

  /** Elements that are there as before keep their text, wherever they are now; of the rest, each is one that was changed. */
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

  /** The brackets and what stands between, each part behind the comma and the space that it had. */
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

  /** What stands between an opening bracket and the first part. */
  #lead({ start, parts = [] }: JsonNode): string {
    return this.#text.slice(start + 1, parts[0]?.start ?? start + 1);
  }

  #indentWithin(node: JsonNode, indent: string): string {
    const lead = this.#lead(node);
    return lead.includes("\n") ? lead.slice(lead.lastIndexOf("\n") + 1) : indent;
  }

  /** What is new in brackets that stand on one line is on that line too. */
  #styleWithin(node: JsonNode): Style {
    return this.#lead(node).includes("\n") ? this.#style : { ...this.#style, indent: "" };
  }
}

const own = (value: object, key: string): unknown =>
  Object.hasOwn(value, key) ? (value as Record<string, unknown>)[key] : undefined;

/** Whether two values are the same in JSON: what is undefined is absent. */
function isSame(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((item, at) => isSame(item, b[at]));
  if (!isObject(a) || !isObject(b)) return false;
  return [...new Set([...Object.keys(a), ...Object.keys(b)])].every((key) => isSame(own(a, key), own(b, key)));
}

const isSorted = (keys: readonly string[]): boolean =>
  keys.every((key, at) => at === 0 || compareBytes(keys[at - 1]!, key) < 0);

/** Where a new key goes: before the first one that the specification, or the order of a map, has after it. */
function placeFor(key: string, keys: readonly string[], schema: Schema | undefined, isOrdered: boolean): number {
  const known = schema?.keys ?? [];
  const rank = known.indexOf(key);
  const isAfter = (other: string): boolean =>
    schema?.kind === "map" ? isOrdered && compareBytes(other, key) > 0 : rank >= 0 && known.indexOf(other) > rank;
  const before = keys.findIndex(isAfter);
  return before < 0 ? keys.length : before;
}
