/** Breaks a text between words into lines of at most `width` columns. A longer word has a line of its own. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(/\s+/).filter(Boolean)) {
    if (line === "") line = word;
    else if (line.length + 1 + word.length <= width) line += ` ${word}`;
    else {
      lines.push(line);
      line = word;
    }
  }
  return line === "" ? lines : [...lines, line];
}

/** Terms, and beside them their explanations, broken into lines. A term over `longest` has a line of its own. */
export function twoColumns(
  rows: readonly (readonly [term: string, text: string])[],
  width: number,
  longest: number,
): string[] {
  const column = Math.max(0, ...rows.map(([term]) => term.length).filter((length) => length <= longest)) + 2;
  return rows.flatMap(([term, text]) => {
    const lines = wrap(text, Math.max(20, width - column));
    const first = term.length <= longest ? [`${term.padEnd(column)}${lines.shift() ?? ""}`.trimEnd()] : [term];
    return [...first, ...lines.map((line) => `${" ".repeat(column)}${line}`)];
  });
}
