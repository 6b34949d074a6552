import { GantryError, messageOf } from "../base/error.ts";
import { checkLimit, defaultLimits, type Limits } from "../base/limits.ts";

/** How deep a document may nest: the deepest legal one needs seven levels. */
const MAX_DEPTH = 64;

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export type JsonObject = Record<string, unknown>;

/** A place in well-formed JSON that two readers could read differently. */
interface Ambiguity {
  readonly path: string;
  readonly message: string;
  readonly code: "AMBIGUOUS_DOCUMENT" | "INVALID_DOCUMENT";
}

/** The parsed text of a document, with the first of its ambiguities. */
export interface ParsedJson {
  readonly text: string;
  readonly value: unknown;
  readonly ambiguities: readonly Ambiguity[];
}

/**
 * Parses JSON from untrusted bytes.
 * @param most how many ambiguities to look for
 * @throws SyntaxError or TypeError for bytes that are not JSON in UTF-8, or nest past 64 levels
 */
export function parseJson(bytes: Uint8Array, most: number): ParsedJson {
  const text = decoder.decode(bytes);
  const value: unknown = JSON.parse(text);
  const found: Ambiguity[] = [];
  for (const ambiguity of ambiguities(text)) {
    found.push(ambiguity);
    if (found.length >= most) break;
  }
  return { text, value, ambiguities: found };
}

/**
 * Parses one JSON object from untrusted bytes. Unlike JSON.parse it refuses bytes that are not UTF-8, duplicate keys (two
 * readers could see two documents), whole numbers past 2^53-1, and nesting past 64 levels.
 * @param bytes the document as it was read; a string is refused, because its bytes are not known
 * @param onText called with the text and the object if they are good
 * @throws USAGE if `bytes` is not a Uint8Array, LIMIT_EXCEEDED, INVALID_DOCUMENT, AMBIGUOUS_DOCUMENT
 */
export function parseJsonObject(
  bytes: Uint8Array,
  what: string,
  limits: Limits = defaultLimits,
  limit: "metadataBytes" | "layoutIndexBytes" = "metadataBytes",
  onText?: (text: string, value: JsonObject) => void,
): JsonObject {
  if (!(bytes instanceof Uint8Array)) {
    const given = bytes === null ? "null" : `a value of type ${typeof bytes}`;
    throw new GantryError(
      "USAGE",
      `${what}: the document must be given as bytes (Uint8Array), not as ${given}; Buffer.from(text) turns a text into bytes`,
    );
  }
  checkLimit(limits, limit, bytes.byteLength, `${what} of ${bytes.byteLength} bytes`);
  let parsed: ParsedJson;
  try {
    parsed = parseJson(bytes, 1);
  } catch (error) {
    throw new GantryError("INVALID_DOCUMENT", `${what} is not valid JSON: ${messageOf(error)}`, { cause: error });
  }
  const [first] = parsed.ambiguities;
  if (first)
    throw new GantryError(first.code, `${what}: ${first.path} ${first.message}`, { details: { path: first.path } });
  const { value } = parsed;
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new GantryError("INVALID_DOCUMENT", `${what}: the document must be a JSON object`, { details: { path: "" } });
  }
  onText?.(parsed.text, value as JsonObject);
  return value as JsonObject;
}

/** The most characters of a key that a path shows. */
const SHOWN_KEY = 100;
/** Go reads these as integers and refuses 2.0 and 2e0. */
const integers: ReadonlySet<string> = new Set(["size", "schemaVersion"]);
const number = /-?\d[\d.eE+-]*/y;

/** Walks well-formed JSON and keeps the keys of the objects that are open. */
function* ambiguities(text: string): Generator<Ambiguity> {
  const open: { readonly keys: Set<string> | undefined; key: string; index: number }[] = [];
  const path = (): string =>
    open
      .map((level) => (level.keys ? `.${level.key.slice(0, SHOWN_KEY)}` : `[${level.index}]`))
      .join("")
      .replace(/^\./, "");
  let expectKey = false;
  for (let at = 0; at < text.length; at += 1) {
    const char = text[at]!;
    if (char === '"') {
      const start = at;
      at += 1;
      while (text[at] !== '"') at += text[at] === "\\" ? 2 : 1;
      if (!expectKey) continue;
      const level = open.at(-1)!;
      level.key = JSON.parse(text.slice(start, at + 1)) as string;
      if (level.keys!.has(level.key)) yield { path: path(), message: "appears twice", code: "AMBIGUOUS_DOCUMENT" };
      level.keys!.add(level.key);
      expectKey = false;
    } else if (char === "{" || char === "[") {
      if (open.length >= MAX_DEPTH) throw new SyntaxError(`it nests deeper than ${MAX_DEPTH} levels`);
      open.push({ keys: char === "{" ? new Set() : undefined, key: "", index: 0 });
      expectKey = char === "{";
    } else if (char === "}" || char === "]") {
      open.pop();
      expectKey = false;
    } else if (char === ",") {
      const level = open.at(-1)!;
      level.index += 1;
      expectKey = level.keys !== undefined;
    } else if (char === "-" || (char >= "0" && char <= "9")) {
      number.lastIndex = at;
      const [token] = number.exec(text)!;
      at += token.length - 1;
      const whole = /^-?\d+$/.test(token);
      const wrong = whole ? !Number.isSafeInteger(Number(token)) : integers.has(open.at(-1)?.key ?? "");
      if (wrong) yield { path: path(), message: "must be a whole number within 2^53-1", code: "INVALID_DOCUMENT" };
    }
  }
}
