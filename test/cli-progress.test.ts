import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { describe, expect, test } from "vitest";
import { pushImage, randomImage, startTestRegistry, type TestRegistry } from "../src/testing/index.ts";
import { gantry, missing } from "./support/peers.ts";
import { temporary } from "./support/temporary.ts";
import { onTerminal } from "./support/terminal.ts";

const noTerminal = missing({ programs: ["script", "stty"] });

async function slowRegistry(sizes: readonly number[]): Promise<TestRegistry & { readonly name: string }> {
  const server = await startTestRegistry({
    faults: [{ on: { kind: "slow", ms: 150 }, path: /blobs\/sha256/, method: "GET" }],
  });
  await pushImage(server.registry, "app", randomImage({ sizes: [...sizes] }), "v1");
  return Object.assign(server, { name: `${server.host}/app:v1` });
}

const blobs = [8 << 20, 4 << 20, 300_000];

describe.skipIf(noTerminal)(`progress on a terminal${noTerminal ? ` (${noTerminal})` : ""}`, () => {
  test.each([80, 40])("of %d columns is drawn in place, and ends with a summary line", async (columns) => {
    await using server = await slowRegistry(blobs);
    const store = join(await temporary(), "store");
    const started = performance.now();
    const args = ["pull", "--store", store, server.name];
    const { code, screen } = await onTerminal(args, { columns, env: { TERM: "xterm-256color" } });
    const frames = screen.split("\u001b[J");
    expect([code, frames.length > 5, frames.length < (performance.now() - started) / 100 + 5]).toEqual([0, true, true]);
    const lines = stripVTControlCharacters(frames.slice(0, -1).join("")).split(/[\r\n]+/);
    expect(lines.filter((line) => line.length >= columns)).toEqual([]);
    expect(lines.some((line) => /\d B\/s|\d [KMG]iB\/s {2}\d+s$/.test(line))).toBe(true);
    expect(lines.some((line) => /^[123] of 4 done /.test(line))).toBe(true);
    // At the end no frame is visible, and no colour was used.
    expect(frames.at(-1)).toMatch(
      /^127\.0\.0\.1:\d+\/app:v1: pulled 4 blobs, 12\.3 MiB in [\d.]+ s\nsha256:[0-9a-f]{64}\n$/,
    );
    const again = await onTerminal(args, { columns, env: { TERM: "xterm-256color" } });
    expect(again.screen.split("\u001b[J").at(-1)).toMatch(/: pulled 0 blobs; 4 existing\nsha256:/);
  });

  test("is printed as lines on a dumb terminal", async () => {
    await using server = await slowRegistry([100_000]);
    const store = join(await temporary(), "store");
    const { code, screen } = await onTerminal(["pull", "--store", store, server.name], { env: { TERM: "dumb" } });
    expect([code, screen.includes("\u001b")]).toEqual([0, false]);
    expect(screen).toMatch(/^sha256:[0-9a-f]{12} 97\.9 KiB done$/m);
  });

  test("colours errors and headings, but not with NO_COLOR", async () => {
    for (const [env, red, bold] of [
      [
        // Node takes a terminal of an unknown CI for one without colours.
        { TERM: "xterm-256color", NO_COLOR: undefined, FORCE_COLOR: undefined, CI: undefined },
        "\u001b[31mgantry:\u001b[39m",
        "\u001b[1mUsage:",
      ],
      [{ TERM: "xterm-256color", NO_COLOR: "1", FORCE_COLOR: undefined }, "gantry:", "Usage:"],
    ] as const) {
      const failed = await onTerminal(["digest", "oci:/nonexistent:v1"], { env });
      expect(failed.screen.startsWith(`${red} `), failed.screen).toBe(true);
      expect((await onTerminal(["pull", "--help"], { env })).screen.startsWith(bold)).toBe(true);
    }
  });

  test("cuts tables and trees to the terminal; in a pipe they are whole", async () => {
    await using server = await slowRegistry([1_000]);
    const store = join(await temporary(), "store");
    await gantry(["pull", "--progress", "none", "--store", store, server.name]);
    for (const args of [
      ["images", "--store", store],
      ["inspect", server.name],
      ["explain", server.name],
    ]) {
      const whole = (await gantry(args)).stdout;
      const { screen } = await onTerminal(args, { columns: 60 });
      expect([args[0], Math.max(...screen.split("\n").map((line) => line.length)) <= 60]).toEqual([args[0], true]);
      expect([args[0], screen.includes("…"), whole.includes("…")]).toEqual([args[0], args[0] !== "explain", false]);
    }
  });
});

test("without a terminal, progress is lines or JSON, and only lines end with a summary", async () => {
  await using server = await slowRegistry([100_000]);
  const pull = async (...more: string[]) =>
    gantry(["pull", "--store", join(await temporary(), "store"), ...more, server.name]);
  const lines = (await pull()).stderr.split("\n");
  expect(lines.slice(0, -2).every((line) => /^sha256:[0-9a-f]{12} [\d.]+ K?i?B done$/.test(line))).toBe(true);
  expect(lines.at(-2)).toMatch(/: pulled 2 blobs, /);
  for (const line of (await pull("--progress", "json")).stderr.trim().split("\n")) JSON.parse(line);
  expect((await pull("--progress", "none")).stderr).toBe("");
});
