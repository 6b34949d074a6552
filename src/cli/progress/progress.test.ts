import { describe, expect, test } from "vitest";
import type { ProgressEvent } from "../../base/progress.ts";
import { printer } from "../progress.ts";
import { Canvas } from "./canvas.ts";
import { frame } from "./frame.ts";
import { Speed } from "./speed.ts";
import { Work } from "./work.ts";

const MiB = 1 << 20;

const start = (id: string, total?: number): ProgressEvent => ({
  type: "start",
  id,
  label: `sha256:${id.padEnd(12, "0")}`,
  total,
});
const advance = (id: string, done: number): ProgressEvent => ({ type: "advance", id, done });
const end = (id: string): ProgressEvent => ({ type: "end", id, result: "done" });

function workOf(...events: ProgressEvent[]): Work {
  const work = new Work();
  for (const event of events) work.track(event);
  return work;
}

describe("a frame", () => {
  const work = workOf(
    start("a", 60 * MiB),
    start("b", 30 * MiB),
    start("c", 10 * MiB),
    advance("a", 15 * MiB),
    end("c"),
  );

  test("shows a bar for each running piece, and the sum last", () => {
    expect(frame(work, 81, 24)).toEqual([
      "a00000000000     [====           ]    15.0 MiB / 60.0 MiB",
      "1 of 3 done      [====           ]   25.0 MiB / 100.0 MiB",
    ]);
    expect(frame(work, 120, 24)[0]).toMatch(/^sha256:a00000000000 {2}\[={8} {22}\] /);
    expect(frame(work, 40, 24)).toEqual(["a00000000000      25%", "1 of 3 done       25%"]);
  });

  test("never cuts a number", () => {
    for (let columns = 10; columns < 80; columns += 1)
      for (const line of frame(work, columns, 24)) {
        expect(line.length).toBeLessThan(columns);
        expect(line.slice(16)).toMatch(/^ *((\[=* *\])? *(25%|\d+\.0 MiB \/ \d+\.0 MiB))?$/);
      }
    expect(frame(work, 20, 24)).toEqual(["a00000000000", "1 of 3 done"]);
    expect(frame(work, 23, 24)[0]).toBe("a00000000000      25%");
  });

  test("shows no sum of one piece, and nothing when all pieces are done", () => {
    expect(frame(workOf(start("a", MiB), advance("a", 1)), 80, 24)).toHaveLength(1);
    expect(frame(workOf(start("a", MiB), start("b", MiB), end("a"), end("b")), 80, 24)).toEqual([]);
  });

  test("shows the bytes so far of a piece of unknown size", () => {
    expect(frame(workOf(start("a"), advance("a", 3 * MiB)), 80, 24)[0]).toMatch(/^a0{11} {3,}3\.0 MiB$/);
  });

  test("of 100 pieces has as many lines as fit, each within the columns", () => {
    const events = Array.from({ length: 100 }, (_, at) => [
      start(`${at}`, 1e12),
      advance(`${at}`, 1),
      advance(`${at}`, 6e11),
    ]);
    const many = workOf(...events.flat());
    for (const [columns, rows] of [
      [80, 22],
      [40, 22],
      [20, 5],
      [200, 3],
    ] as const) {
      const lines = frame(many, columns, rows);
      expect(lines).toHaveLength(rows);
      expect(lines.at(-1)).toContain("0 of 100 done".slice(0, columns - 1));
      expect(lines.filter((line) => line.length >= columns)).toEqual([]);
    }
  });
});

describe("speed", () => {
  test("is the mean of the last seconds, and follows a change", () => {
    const speed = new Speed(0);
    expect(speed.perSecond(100)).toBeUndefined();
    const run = (from: number, to: number, bytes: number): number | undefined => {
      let shown: number | undefined;
      for (let now = from; now < to; now += 500) {
        speed.add(bytes / 2);
        shown = speed.perSecond(now + 500);
      }
      return shown;
    };
    expect(run(0, 1_000, MiB)).toBeCloseTo(MiB);
    const dropped = run(1_000, 2_000, 0)!;
    expect([dropped < MiB, dropped > MiB / 4]).toEqual([true, true]);
    expect(run(2_000, 20_000, 0)).toBeLessThan(MiB / 100);
  });

  test("counts only bytes that are moved now: not those of a partial download, nor those before a restart", () => {
    const work = workOf(start("a", 100), advance("a", 60));
    work.track(advance("a", 70));
    work.track(advance("a", 0));
    work.track(advance("a", 5));
    const later = performance.now() + 1_000;
    expect(work.sum.speed.perSecond(later)! / 15).toBeCloseTo(1, 0);
  });
});

function terminal(columns: number): { stream: NodeJS.WriteStream; written: string[] } {
  const written: string[] = [];
  const stream = { isTTY: true, columns, rows: 24, write: (text: string) => written.push(text) };
  return { stream: stream as unknown as NodeJS.WriteStream, written };
}

describe("the canvas", () => {
  test("redraws in one write, and only when something changed", () => {
    const { stream, written } = terminal(80);
    const canvas = new Canvas(stream);
    canvas.draw(["one", "two"]);
    canvas.draw(["one", "two"]);
    canvas.draw(["one", "three"]);
    canvas.say("said");
    canvas.clear();
    expect(written).toEqual([
      "\rone\u001b[K\ntwo\u001b[K\n\u001b[J",
      "\r\u001b[2Aone\u001b[K\nthree\u001b[K\n\u001b[J",
      "\r\u001b[2A\u001b[Jsaid\none\u001b[K\nthree\u001b[K\n\u001b[J",
      "\r\u001b[2A\u001b[J\u001b[J",
    ]);
  });

  test("reaches its first line after the terminal became narrower", () => {
    const { stream, written } = terminal(80);
    const canvas = new Canvas(stream);
    canvas.draw(["x".repeat(79), "y".repeat(30)]);
    stream.columns = 40;
    canvas.draw(["x"]);
    expect(written[1]).toMatch(/^\r\u001b\[3A/);
  });
});

describe("the printer", () => {
  const events = [start("a", 3 * MiB), advance("a", MiB), end("a")];

  test.each([
    ["auto", { isTTY: false }, "sha256:a00000000000 3.0 MiB done\n"],
    ["plain", { isTTY: true }, "sha256:a00000000000 3.0 MiB done\n"],
    ["none", { isTTY: true }, ""],
    ["json", { isTTY: true }, events.map((event) => `${JSON.stringify(event)}\n`).join("")],
  ] as const)("%s on %j writes no control characters", (mode, more, expected) => {
    const { stream, written } = terminal(80);
    const { progress, end: finish } = printer(mode, Object.assign(stream, more));
    for (const event of events) progress(event);
    finish();
    expect(written.join("")).toBe(expected);
  });

  test("writes lines on a dumb terminal, and coloured warnings only on a terminal with colours", () => {
    const { stream, written } = terminal(80);
    const { TERM } = process.env;
    process.env["TERM"] = "dumb";
    try {
      for (const event of events) printer("auto", stream).progress(event);
    } finally {
      process.env["TERM"] = TERM ?? "xterm";
    }
    expect(written.join("")).not.toContain("\u001b");
    const warning: ProgressEvent = { type: "message", level: "warning", text: "careful" };
    for (const [colours, shown] of [
      [false, "warning: careful"],
      [true, "\u001b[33mwarning:\u001b[39m careful"],
    ] as const) {
      const { stream: other, written: said } = terminal(80);
      const bars = printer("auto", Object.assign(other, { hasColors: () => colours }));
      bars.progress(warning);
      bars.end();
      expect(said[0]).toContain(shown);
    }
  });
});
