/** The columns of a terminal that help fits into. */
const COLUMNS = 80;

/** What stays together on a line: `[--store DIR]`, `<IMAGE>...`, a word. */
const ATOM = /\[[^\]]*\](?:\.\.\.)?|<[^>]*>(?:\.\.\.)?|\S+/g;

/** Whether the command line asks for help, and so prints nothing else. */
export function asksForHelp(argv: readonly string[]): boolean {
  const end = argv.indexOf("--");
  const flags = end < 0 ? argv : argv.slice(0, end);
  return argv.length === 0 || flags.includes("--help") || flags.includes("-h");
}

/**
 * Breaks the lines of help so that they fit a terminal: what a line begins with, a flag or a name, stays alone in its
 * column. Where several commands are listed, their flags are left to the help of each.
 */
export function wrapHelp(text: string): string {
  const lines = text.split("\n");
  const listing = lines.filter((line) => isUsage(line) && !line.endsWith(" --help")).length > 1;
  return lines.map((line) => wrapLine(listing && isUsage(line) ? withoutFlags(line) : line)).join("\n");
}

const isUsage = (line: string): boolean => /^ {2}gantry \S/.test(line);

/** `gantry pull [FLAGS] <REF>` */
const withoutFlags = (line: string): string => line.replace(/( \[--[^\]]*\](?:\.\.\.)?)+/, " [FLAGS]");

function wrapLine(whole: string): string {
  // That a flag is off unless it is given goes without saying.
  const line = whole.replace(/\s*\[default = false\]$/, "").replace(/(\S)\s{2,}(\[[^\]]*\])$/, "$1 $2");
  if (line.length <= COLUMNS) return line;
  const column = /^\s*(?:-\w)?\s*\S+\s{2,}(?=\S)/.exec(line) ?? /^\s*/.exec(line);
  const first = isUsage(line) ? "  " : (column?.[0] ?? "");
  const indent = " ".repeat(isUsage(line) ? 6 : first.length);
  const wrapped: string[] = [];
  let current = first;
  for (const [atom] of line.slice(first.length).matchAll(ATOM)) {
    const begins = current === first || current === indent;
    if (!begins && current.length + 1 + atom.length > COLUMNS) {
      wrapped.push(current);
      current = `${indent}${atom}`;
    } else current += begins ? atom : ` ${atom}`;
  }
  return [...wrapped, current].join("\n");
}
