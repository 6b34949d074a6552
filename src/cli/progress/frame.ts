import { formatBytes } from "../../base/text.ts";
import type { Speed } from "./speed.ts";
import type { Work } from "./work.ts";

/** One line of the frame, before it is laid out. */
interface Row {
  readonly label: string;
  readonly done: number;
  readonly total: number | undefined;
  readonly speed: Speed;
}

const LABEL = "sha256:0123456789ab".length;
const SHORT_LABEL = "100 of 100 done".length;
/** Columns do not move while numbers grow, unless they are very large. */
const SIZES = "999.9 MiB / 999.9 MiB".length;
const SPEED = "1023.9 MiB/s".length;
const LEFT = "59m 59s".length;
const GAP = "  ";
const WIDEST_BAR = 30;
/** Labels include the algorithm of the digest only if the bars keep this length. */
const GOOD_BAR = 16;
const NARROWEST_BAR = 5;

/** The lines that show the running pieces of work, and their sum. They fit into `columns` and `rows`. */
export function frame(work: Work, columns: number, rows: number): string[] {
  const { sum } = work;
  const lines: Row[] = work.running.slice(0, Math.max(1, rows - 1));
  if (sum.items > 1 && sum.finished < sum.items) lines.push({ label: `${sum.finished} of ${sum.items} done`, ...sum });
  // Some terminals wrap a line that reaches the last column.
  return layout(lines, columns - 1);
}

function layout(rows: readonly Row[], width: number): string[] {
  const cells = rows.map((row) => ({ ...cellsOf(row), row }));
  const sizes = Math.max(SIZES, ...cells.map(({ size }) => size.length));
  const numbers = SPEED + GAP.length + LEFT;
  const rest = width - sizes - numbers - 3 * GAP.length - "[]".length;
  const label = rest - LABEL >= GOOD_BAR ? LABEL : SHORT_LABEL;
  const bar = Math.min(WIDEST_BAR, rest - label);
  const withSizes = width >= label + sizes + numbers + 2 * GAP.length;
  return cells.map(({ row, size, speed, left }) => {
    const name = label === LABEL ? row.label : row.label.replace(/^sha\d+:/, "");
    const columns = [name.slice(0, label).padEnd(label)];
    if (bar >= NARROWEST_BAR) columns.push(drawBar(row, bar));
    // Without room, the last columns are not aligned.
    if (withSizes) columns.push(size.padStart(sizes), speed.padStart(SPEED), left);
    else columns.push(percent(row).padStart("100%".length), speed, left);
    return fitting(columns, width);
  });
}

/** As many columns as fit whole: a number without its last digits is another number. */
function fitting(columns: readonly string[], width: number): string {
  const [first, ...others] = columns;
  let line = first!.slice(0, width);
  for (const column of others) {
    const longer = `${line}${GAP}${column}`;
    if (longer.trimEnd().length > width) break;
    line = longer;
  }
  return line.trimEnd();
}

function cellsOf({ done, total, speed }: Row): { size: string; speed: string; left: string } {
  const perSecond = speed.perSecond();
  const remaining = total === undefined || !perSecond ? undefined : (total - done) / perSecond;
  return {
    size: total === undefined ? formatBytes(done) : `${formatBytes(Math.min(done, total))} / ${formatBytes(total)}`,
    speed: perSecond === undefined ? "" : `${formatBytes(Math.round(perSecond))}/s`,
    left: remaining === undefined ? "" : formatSeconds(remaining),
  };
}

function drawBar({ done, total }: Row, width: number): string {
  if (total === undefined) return " ".repeat(width + 2);
  const full = Math.round(share(done, total) * width);
  return `[${"=".repeat(full)}${" ".repeat(width - full)}]`;
}

const share = (done: number, total: number): number => (total > 0 ? Math.min(1, done / total) : 1);

const percent = ({ done, total }: Row): string =>
  total === undefined ? formatBytes(done) : `${Math.floor(share(done, total) * 100)}%`;

/** `5s`, `1m 05s`, `2h 03m`; empty from a day on. */
function formatSeconds(seconds: number): string {
  const whole = Math.ceil(seconds);
  if (whole < 60) return `${whole}s`;
  const two = (value: number): string => String(Math.floor(value)).padStart(2, "0");
  if (whole < 3600) return `${Math.floor(whole / 60)}m ${two(whole % 60)}s`;
  return whole < 86_400 ? `${Math.floor(whole / 3600)}h ${two((whole % 3600) / 60)}m` : "";
}
