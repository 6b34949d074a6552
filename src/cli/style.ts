/** Marks parts of a text for a terminal. */
export interface Style {
  bold(text: string): string;
  red(text: string): string;
  yellow(text: string): string;
}

const plain = (text: string): string => text;
const sgr =
  (start: number, end: number) =>
  (text: string): string =>
    `\u001b[${start}m${text}\u001b[${end}m`;

const none: Style = { bold: plain, red: plain, yellow: plain };
const colours: Style = { bold: sgr(1, 22), red: sgr(31, 39), yellow: sgr(33, 39) };

/** Colours on a terminal that has them; none with NO_COLOR or TERM=dumb, which Node checks. */
export function styleOf(stream: Partial<Pick<NodeJS.WriteStream, "isTTY" | "hasColors">>): Style {
  return stream.isTTY && stream.hasColors?.() ? colours : none;
}
