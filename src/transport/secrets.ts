/** Shorter secrets are not hidden: they would be found by chance in many texts. */
const SHORTEST = 4;
/** How many secrets are kept. The oldest are dropped first, because tokens expire. */
const MOST = 256;

/**
 * Secrets that were sent, to hide them in texts of servers. They are found verbatim, in upper or lower case, with any
 * characters percent-encoded, and within base64.
 */
export class Secrets {
  readonly #spellings = new Map<string, readonly string[]>();

  add(secret: string): void {
    if (secret.length < SHORTEST) return;
    // A secret that is sent again becomes the newest.
    const spellings = this.#spellings.get(secret) ?? spellingsOf(secret);
    this.#spellings.delete(secret);
    this.#spellings.set(secret, spellings);
    const [oldest] = this.#spellings.keys();
    if (this.#spellings.size > MOST) this.#spellings.delete(oldest!);
  }

  /** The text with `***` in place of each secret. */
  hide(text: string): string {
    if (this.#spellings.size === 0) return text;
    const { bytes, startOf } = decoded(text);
    const found: { readonly start: number; readonly end: number }[] = [];
    for (const spelling of [...this.#spellings.values()].flat()) {
      for (let at = bytes.indexOf(spelling); at >= 0; at = bytes.indexOf(spelling, at + spelling.length)) {
        found.push({ start: startOf(at), end: startOf(at + spelling.length) });
      }
    }
    let shown = "";
    let end = 0;
    for (const hit of found.sort((a, b) => a.start - b.start)) {
      if (hit.start >= end) shown += `${text.slice(end, hit.start)}***`;
      end = Math.max(end, hit.end);
    }
    return shown + text.slice(end);
  }
}

/** Text in one spelling: lower case, one alphabet of base64, and a space as `+`, which is how forms encode it. */
const folded = (bytes: string): string =>
  bytes.toLowerCase().replaceAll("-", "+").replaceAll(" ", "+").replaceAll("_", "/");

/** A percent-encoded byte; its percent sign may be encoded again. */
const encoded = /%(?:25)*([0-9a-f]{2})/iy;

/** The bytes of a percent-encoded text, folded, and where each of them begins in the text. */
function decoded(text: string): { readonly bytes: string; startOf(byte: number): number } {
  if (!text.includes("%") && isAscii(text)) return { bytes: folded(text), startOf: (byte) => byte };
  const bytes: string[] = [];
  const starts: number[] = [];
  for (let at = 0; at < text.length; ) {
    encoded.lastIndex = at;
    const match = text[at] === "%" ? encoded.exec(text) : null;
    const char = String.fromCodePoint(text.codePointAt(at)!);
    const now = match ? String.fromCharCode(Number.parseInt(match[1]!, 16)) : latin(char.toLowerCase());
    for (let count = now.length; count > 0; count -= 1) starts.push(at);
    bytes.push(now);
    at += match ? match[0].length : char.length;
  }
  starts.push(text.length);
  return { bytes: folded(bytes.join("")), startOf: (byte) => starts[byte]! };
}

const isAscii = (text: string): boolean => /^[\u0000-\u007f]*$/.test(text);

/** One character for each byte of UTF-8. */
const latin = (text: string): string => (isAscii(text) ? text : Buffer.from(text).toString("latin1"));

/** The secret, and its base64 at each of the three alignments, without characters that also depend on other bytes. */
function spellingsOf(secret: string): readonly string[] {
  const bytes = Buffer.from(secret);
  const within = [0, 1, 2].map((before) => {
    const length = before + bytes.length;
    const text = Buffer.concat([Buffer.alloc(before), bytes]).toString("base64");
    return text.slice(Math.ceil((before * 8) / 6), Math.floor((length * 8) / 6));
  });
  return [latin(secret.toLowerCase()), ...within.filter((text) => text.length >= SHORTEST)].map(folded);
}
