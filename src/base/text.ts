/**
 * Control characters, C1 controls, line separators and marks of text direction. A name from outside could use them to
 * control the terminal, or to look like another name.
 */
const steering = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

const code = (char: string, digits: number): string => char.charCodeAt(0).toString(16).padStart(digits, "0");

const visible = (char: string): string => (char < "\u0100" ? `\\x${code(char, 2)}` : `\\u${code(char, 4)}`);

/** The text with characters that control a terminal made visible, for one line of output. */
export function printable(text: string): string {
  return text.replace(steering, visible);
}

/** As {@link printable}, for text of several lines: line breaks and tabs stay. */
export function printableText(text: string): string {
  return text.replace(steering, (char) => (char === "\n" || char === "\t" ? char : visible(char)));
}

/** A value as JSON, with characters that control a terminal escaped. @param indent 0: on one line */
export function printableJson(value: unknown, indent = 2): string {
  // JSON escapes the other control characters in strings; the line breaks between them are its own.
  return JSON.stringify(value, null, indent).replace(steering, (char) =>
    char === "\n" ? char : `\\u${code(char, 4)}`,
  );
}

/** A number of bytes for people: `57.9 MiB`. */
export function formatBytes(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}
