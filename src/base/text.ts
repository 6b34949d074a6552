/**
 * Control characters, C1 controls, line separators and marks that turn the direction of text, made visible: no name
 * from outside may steer a terminal, or look like another.
 */
export function printable(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g, (char) =>
    char < "\u0100"
      ? `\\x${char.charCodeAt(0).toString(16).padStart(2, "0")}`
      : `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** A value as JSON for people and programs, with what might steer a terminal escaped. */
export function printableJson(value: unknown): string {
  const text = JSON.stringify(value, null, 2);
  return text.replace(
    /[\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** Bytes for people: `57.9 MiB`. */
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
