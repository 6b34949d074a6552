import { GantryError, messageOf } from "../base/error.ts";
import { checkLimit, defaultLimits, type Limits } from "../base/limits.ts";

/** How deep a document may nest: the deepest legal one needs seven levels. */
const MAX_DEPTH = 64;

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export type JsonObject = Record<string, unknown>;

/** A document's text, parsed, with the paths of keys that appear more than once in one object. */
export interface ParsedJson {
  readonly text: string;
  readonly value: unknown;
  readonly duplicates: readonly string[];
}

/**
 * Parses JSON from bytes that nobody vouches for.
 * @throws SyntaxError or TypeError for what is not JSON in UTF-8 or nests past 64 levels
 */
export function parseJson(bytes: Uint8Array): ParsedJson {
  const text = decoder.decode(bytes);
  return { text, value: JSON.parse(text), duplicates: [...duplicateKeys(text)] };
}

/**
 * Parses one JSON object from bytes that nobody vouches for. Beyond JSON.parse it refuses bytes that are not UTF-8,
 * duplicate keys (two readers could see two documents) and nesting past 64 levels.
 * @param onText is given the text of a good document
 * @throws LIMIT_EXCEEDED, INVALID_DOCUMENT, AMBIGUOUS_DOCUMENT
 */
export function parseJsonObject(
  bytes: Uint8Array,
  what: string,
  limits: Limits = defaultLimits,
  limit: "metadataBytes" | "layoutIndexBytes" = "metadataBytes",
  onText?: (text: string, value: JsonObject) => void,
): JsonObject {
  checkLimit(limits, limit, bytes.byteLength, `${what} of ${bytes.byteLength} bytes`);
  let parsed: ParsedJson;
  try {
    parsed = parseJson(bytes);
  } catch (error) {
    throw new GantryError("INVALID_DOCUMENT", `${what} is not valid JSON: ${messageOf(error)}`, { cause: error });
  }
  const [twice] = parsed.duplicates;
  if (twice !== undefined) {
    throw new GantryError("AMBIGUOUS_DOCUMENT", `${what}: the key ${twice} appears twice`, {
      details: { path: twice },
    });
  }
  const { value } = parsed;
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new GantryError("INVALID_DOCUMENT", `${what}: the document must be a JSON object`, { details: { path: "" } });
  }
  onText?.(parsed.text, value as JsonObject);
  return value as JsonObject;
}

/** Walks JSON that is already known to be well formed, keeping the keys of the objects that are open. */
function* duplicateKeys(text: string): Generator<string> {
  const open: { readonly keys: Set<string> | undefined; key: string; index: number }[] = [];
  const path = (): string =>
    open
      .map((level) => (level.keys ? `.${level.key}` : `[${level.index}]`))
      .join("")
      .replace(/^\./, "");
  let expectKey = false;
  for (let at = 0; at < text.length; at += 1) {
    const char = text[at];
    if (char === '"') {
      const start = at;
      at += 1;
      while (text[at] !== '"') at += text[at] === "\\" ? 2 : 1;
      if (!expectKey) continue;
      const level = open.at(-1)!;
      level.key = JSON.parse(text.slice(start, at + 1)) as string;
      if (level.keys!.has(level.key)) yield path();
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
    }
  }
}
