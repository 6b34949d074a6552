import { GantryError } from "../base/error.ts";
import { checkLimit, defaultLimits, type Limits } from "../base/limits.ts";

/** How deep a document may nest: the deepest legal one needs seven levels. */
const MAX_DEPTH = 64;

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export type JsonObject = Record<string, unknown>;

/** A fault in a document: the message starts with what the document is and where in it the fault lies. */
export function invalid(what: string, path: string, fault: string): GantryError<"INVALID_DOCUMENT"> {
  return new GantryError("INVALID_DOCUMENT", `${what}: ${path || "the document"} ${fault}`, { details: { path } });
}

/**
 * Parses one JSON object from bytes that nobody vouches for. Beyond JSON.parse it refuses bytes that are not UTF-8,
 * duplicate keys (two readers could see two documents) and nesting past 64 levels.
 * @throws LIMIT_EXCEEDED, INVALID_DOCUMENT, AMBIGUOUS_DOCUMENT
 */
export function parseJsonObject(
  bytes: Uint8Array,
  what: string,
  limits: Limits = defaultLimits,
  limit: "metadataBytes" | "layoutIndexBytes" = "metadataBytes",
): JsonObject {
  checkLimit(limits, limit, bytes.byteLength, `${what} of ${bytes.byteLength} bytes`);
  let value: unknown;
  try {
    const text = decoder.decode(bytes);
    value = JSON.parse(text);
    refuseDuplicates(text, what);
  } catch (error) {
    if (error instanceof GantryError) throw error;
    throw new GantryError("INVALID_DOCUMENT", `${what} is not valid JSON: ${(error as Error).message}`, {
      cause: error,
    });
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw invalid(what, "", "must be a JSON object");
  }
  return value as JsonObject;
}

/** Walks JSON that is already known to be well formed, keeping the keys of the objects that are open. */
function refuseDuplicates(text: string, what: string): void {
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
      if (level.keys!.has(level.key)) {
        throw new GantryError("AMBIGUOUS_DOCUMENT", `${what}: the key ${path()} appears twice`, {
          details: { path: path() },
        });
      }
      level.keys!.add(level.key);
      expectKey = false;
    } else if (char === "{" || char === "[") {
      if (open.length >= MAX_DEPTH) throw invalid(what, "", `nests deeper than ${MAX_DEPTH} levels`);
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
