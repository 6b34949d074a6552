import type { Progress } from "../base/progress.ts";
import { printable, printableJson } from "../base/text.ts";
import { bars } from "./progress/bars.ts";
import { lines } from "./progress/lines.ts";

export type ProgressMode = "auto" | "plain" | "json" | "none";

/** A printer of progress events. `end` leaves the terminal as it found it. */
export interface Printer {
  readonly progress: Progress;
  end(): void;
}

/** The printer of a mode. `auto` draws bars on a terminal that can redraw them, and prints lines elsewhere. */
export function printer(mode: ProgressMode, stderr: NodeJS.WriteStream): Printer {
  if (mode === "none") return { progress: warnings(stderr), end() {} };
  if (mode === "json") return { progress: (event) => void stderr.write(`${printableJson(event, 0)}\n`), end() {} };
  const draws = mode === "auto" && stderr.isTTY && process.env["TERM"] !== "dumb";
  return draws ? bars(stderr) : { progress: lines(stderr), end() {} };
}

/** Prints only warnings, where no progress is shown. */
export function warnings(stderr: NodeJS.WriteStream): Progress {
  return (event) => {
    if (event.type === "message" && event.level === "warning") stderr.write(`warning: ${printable(event.text)}\n`);
  };
}
