/** The place of a value in a JSON text, and the places of its parts. */
export interface JsonNode {
  readonly start: number;
  /** One past its last character. */
  readonly end: number;
  /** Elements or members in their order; undefined for a scalar. */
  readonly parts?: readonly JsonPart[] | undefined;
  readonly kind: "object" | "list" | "scalar";
}

/** An element of a list, or a member of an object, which begins with its key. */
export interface JsonPart {
  readonly start: number;
  readonly key?: string | undefined;
  readonly value: JsonNode;
}

const scalar = /[^\s,\]}]+/y;
const space = /\s*/y;

/** Parses a JSON text that is well formed and not too deep. */
export function parseTree(text: string): JsonNode {
  let at = 0;
  const skip = (): void => {
    space.lastIndex = at;
    at += space.exec(text)![0].length;
  };
  const string = (): string => {
    const start = at;
    at += 1;
    while (text[at] !== '"') at += text[at] === "\\" ? 2 : 1;
    at += 1;
    return text.slice(start, at);
  };
  const part = (isMember: boolean): JsonPart => {
    const start = at;
    if (!isMember) return { start, value: value() };
    const key = JSON.parse(string()) as string;
    skip();
    at += 1; // the colon
    skip();
    return { start, key, value: value() };
  };
  const value = (): JsonNode => {
    const start = at;
    const open = text[at];
    if (open === '"') {
      string();
      return { start, end: at, kind: "scalar" };
    }
    if (open !== "{" && open !== "[") {
      scalar.lastIndex = at;
      at += scalar.exec(text)![0].length;
      return { start, end: at, kind: "scalar" };
    }
    const parts: JsonPart[] = [];
    do {
      at += 1; // the bracket, or a comma
      skip();
      if (text[at] === "}" || text[at] === "]") break;
      parts.push(part(open === "{"));
      skip();
    } while (text[at] === ",");
    at += 1;
    return { start, end: at, parts, kind: open === "{" ? "object" : "list" };
  };
  skip();
  return value();
}
