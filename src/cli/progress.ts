import type { Progress, ProgressEvent } from "../base/progress.ts";
import { formatBytes, printable, printableJson } from "../base/text.ts";

export type ProgressMode = "auto" | "plain" | "json" | "none";

/** A printer of progress events. `end` leaves the terminal as it found it. */
export interface Printer {
  readonly progress: Progress;
  end(): void;
}

/** Bars on a terminal, lines elsewhere, or what the mode says. */
export function printer(mode: ProgressMode, stderr: NodeJS.WriteStream): Printer {
  if (mode === "none") return { progress: warnings(stderr), end() {} };
  if (mode === "json") return { progress: (event) => void stderr.write(`${printableJson(event, 0)}\n`), end() {} };
  return mode === "auto" && stderr.isTTY ? bars(stderr) : lines(stderr);
}

interface Item {
  readonly label: string;
  readonly total: number | undefined;
  done: number;
}

/** Remembers what is under way; both printers for people need it. */
function track(items: Map<string, Item>, event: ProgressEvent): void {
  if (event.type === "start") items.set(event.id, { label: printable(event.label), total: event.total, done: 0 });
  else if (event.type === "advance") {
    const item = items.get(event.id);
    if (item) item.done = event.done;
  }
}

const results = { done: "done", exists: "already there", mounted: "mounted", failed: "failed" } as const;

function lines(stderr: NodeJS.WriteStream): Printer {
  const items = new Map<string, Item>();
  return {
    progress(event) {
      track(items, event);
      if (event.type === "message") stderr.write(`${event.level}: ${printable(event.text)}\n`);
      if (event.type !== "end") return;
      const item = items.get(event.id);
      if (!item) return;
      const size = item.total === undefined ? "" : ` ${formatBytes(item.total)}`;
      stderr.write(`${item.label}${size} ${results[event.result]}\n`);
    },
    end() {},
  };
}

const BAR_WIDTH = 30;
const FRAME_MS = 100;

function bars(stderr: NodeJS.WriteStream): Printer {
  const items = new Map<string, Item>();
  const finished = new Set<string>();
  let drawn = 0;
  let ended = false;
  let timer: NodeJS.Timeout | undefined;
  const row = (id: string, item: Item): string => {
    const share = item.total ? Math.min(1, item.done / item.total) : 0;
    const full = Math.round(share * BAR_WIDTH);
    const bar = `${"=".repeat(full)}${" ".repeat(BAR_WIDTH - full)}`;
    const size =
      item.total === undefined ? formatBytes(item.done) : `${formatBytes(item.done)} / ${formatBytes(item.total)}`;
    return `${item.label} [${bar}] ${finished.has(id) ? formatBytes(item.total ?? item.done) : size}`;
  };
  const erase = (): void => {
    // To the first column too: a terminal shows the ^C that was typed where the cursor is.
    if (drawn > 0) stderr.write(`\r\u001b[${drawn}A\u001b[J`);
    drawn = 0;
  };
  const draw = (): void => {
    erase();
    if (ended) return;
    // What does not fit on the screen could not be erased again: running rows first, a few of the others.
    const room = Math.max(3, (stderr.rows || 24) - 2);
    const running = [...items].filter(([id]) => !finished.has(id)).slice(0, room);
    const text = running.map(([id, item]) => row(id, item).slice(0, Math.max(20, (stderr.columns || 80) - 1)));
    if (text.length > 0) stderr.write(`${text.join("\n")}\n`);
    drawn = text.length;
  };
  const say = (text: string): void => {
    erase();
    stderr.write(`${text}\n`);
    draw();
  };
  return {
    progress(event) {
      track(items, event);
      timer ??= setInterval(draw, FRAME_MS).unref();
      if (event.type === "message") say(`${event.level}: ${printable(event.text)}`);
      if (event.type !== "end") return;
      finished.add(event.id);
      const item = items.get(event.id);
      if (item) say(`${item.label} ${formatBytes(item.total ?? item.done)} ${results[event.result]}`);
    },
    end() {
      clearInterval(timer);
      // Also where nothing is drawn at the moment, a ^C may stand before what is said next.
      if (timer && drawn === 0) stderr.write("\r\u001b[K");
      erase();
      ended = true;
    },
  };
}

/** Prints warnings alone, where no progress is shown. */
export function warnings(stderr: NodeJS.WriteStream): Progress {
  return (event) => {
    if (event.type === "message" && event.level === "warning") stderr.write(`warning: ${printable(event.text)}\n`);
  };
}
