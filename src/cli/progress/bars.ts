import type { Progress } from "../../base/progress.ts";
import { printable } from "../../base/text.ts";
import { styleOf } from "../style.ts";
import { Canvas } from "./canvas.ts";
import { frame } from "./frame.ts";
import { Work } from "./work.ts";

const FRAME_MS = 100;

/** Shows the running work as bars at the end of the terminal, redrawn at most ten times a second. */
export function bars(stderr: NodeJS.WriteStream): { readonly progress: Progress; end(): void } {
  const work = new Work();
  const canvas = new Canvas(stderr);
  const { yellow } = styleOf(stderr);
  let timer: NodeJS.Timeout | undefined;
  let ended = false;
  const draw = (): void => {
    const { columns, rows } = canvas.size();
    // The cursor cannot reach lines that have scrolled off the screen.
    canvas.draw(frame(work, columns, Math.max(1, rows - 2)));
  };
  return {
    progress(event) {
      work.track(event);
      if (!ended) timer ??= setInterval(draw, FRAME_MS).unref();
      if (event.type !== "message") return;
      const level = event.level === "warning" ? yellow("warning:") : `${event.level}:`;
      canvas.say(`${level} ${printable(event.text)}`);
    },
    end() {
      if (ended) return;
      ended = true;
      clearInterval(timer);
      if (timer) canvas.clear();
    },
  };
}
