import type { Progress } from "../../base/progress.ts";
import { formatBytes, printable } from "../../base/text.ts";
import { Work } from "./work.ts";

const results = { done: "done", exists: "existing", mounted: "mounted", failed: "failed" } as const;

/** Prints a line for each piece of work that is finished. */
export function lines(stderr: NodeJS.WriteStream): Progress {
  const work = new Work();
  return (event) => {
    const item = work.track(event);
    if (event.type === "message") stderr.write(`${event.level}: ${printable(event.text)}\n`);
    if (event.type !== "end" || !item) return;
    const size = item.total === undefined ? "" : ` ${formatBytes(item.total)}`;
    stderr.write(`${item.label}${size} ${results[event.result]}\n`);
  };
}
