const GAP = "  ";
/** A column is not made narrower than this. */
const NARROWEST = 8;

/** Cuts the middle out of a text that is too long, because the ends of names distinguish them. */
function shorten(text: string, width: number): string {
  if (text.length <= width) return text;
  const end = Math.floor((width - 1) / 2);
  return `${text.slice(0, width - 1 - end)}…${text.slice(text.length - end)}`;
}

/**
 * Rows as a table with its header first. The `shrinkable` columns are made narrower, the widest first, until it fits.
 * @param columns the width of the terminal; undefined where stdout is not a terminal, so that nothing is cut
 */
export function table(
  rows: readonly (readonly string[])[],
  columns: number | undefined,
  shrinkable: readonly number[],
): string {
  const widths = rows[0]!.map((_, at) => rows.reduce((most, row) => Math.max(most, row[at]!.length), 0));
  let excess =
    widths.reduce((sum, width) => sum + width + GAP.length, -GAP.length) - (columns ?? Number.POSITIVE_INFINITY);
  while (excess > 0) {
    const [widest, next = NARROWEST] = [...new Set(shrinkable.map((at) => widths[at]!))].sort((a, b) => b - a);
    const taken = shrinkable.filter((at) => widths[at] === widest);
    const cut = Math.min(Math.ceil(excess / taken.length), widest! - Math.max(next, NARROWEST));
    if (cut <= 0) break;
    for (const at of taken) widths[at]! -= cut;
    excess -= cut * taken.length;
  }
  return rows
    .map(
      (row) =>
        `${row
          .map((cell, at) => shorten(cell, widths[at]!).padEnd(widths[at]!))
          .join(GAP)
          .trimEnd()}\n`,
    )
    .join("");
}

/** A line that fits the terminal: digests are shortened first, then the end is cut. */
export function fitLine(line: string, columns: number | undefined): string {
  if (columns === undefined || line.length <= columns) return line;
  const short = line.replace(/\b(sha\d+:[0-9a-f]{12})[0-9a-f]{20,}/g, "$1…");
  return short.length <= columns ? short : `${short.slice(0, Math.max(0, columns - 1))}…`;
}
