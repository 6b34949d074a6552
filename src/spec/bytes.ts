// Bytes and texts, also in a browser, which has no Buffer: what is typed as one is a plain Uint8Array there.

const hasBuffer = typeof Buffer === "function";

export function utf8(text: string): Buffer {
  return hasBuffer ? Buffer.from(text) : (new TextEncoder().encode(text) as Buffer);
}

/** Malformed bytes become U+FFFD; a byte order mark stays. */
export function textOf(bytes: Uint8Array): string {
  return hasBuffer ? Buffer.from(bytes).toString() : new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
}

export function fromBase64(text: string): Buffer {
  if (hasBuffer) return Buffer.from(text, "base64");
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0)) as Buffer;
}

/** The order of the UTF-8 bytes, as Go sorts: not that of JavaScript beyond U+FFFF. */
export function compareBytes(a: string, b: string): number {
  const [left, right] = [utf8(a), utf8(b)];
  if (hasBuffer) return Buffer.compare(left, right);
  const at = left.findIndex((byte, index) => byte !== right[index]);
  return at < 0 ? left.length - right.length : left[at]! - (right[at] ?? -1);
}
