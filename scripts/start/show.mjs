// The output of the demonstration: headings, commands as a user types them, and the table at the end.
import { spawn } from "node:child_process";
import { join, relative, sep } from "node:path";
import { root } from "../setup.mjs";

const colour = process.stdout.isTTY && !process.env.NO_COLOR;
const styled = (code, text) => (colour ? `\u001b[${code}m${text}\u001b[0m` : text);
const seconds = (ms) => `${(ms / 1000).toFixed(2)} s`;
export const mebibytes = (bytes) => `${(bytes / 2 ** 20).toFixed(1)} MiB`;

export const say = (text = "") => process.stdout.write(`${text}\n`);
export const heading = (text) => say(`\n${styled("1", text)}`);
export const result = (text) => say(styled("32", `  ${text}`));

const shown = (argument) => (argument.startsWith(root + sep) ? relative(root, argument) : argument);

/**
 * Runs the built command with progress on this terminal.
 * @returns its exit code, and the milliseconds that it took
 */
export function gantry(...args) {
  say(styled("36", `$ gantry ${args.map(shown).join(" ")}`));
  const started = performance.now();
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [join(root, "dist/cli/main.js"), ...args], {
      stdio: ["ignore", "inherit", "inherit"],
    });
    child.on("error", reject);
    child.on("exit", (code) => resolve({ code, ms: performance.now() - started }));
  });
}

/** Runs the command. @returns milliseconds @throws if its exit code is not 0 */
export async function gantryOrFail(...args) {
  const { code, ms } = await gantry(...args);
  if (code !== 0) throw new Error(`gantry ${args[0]} ended with exit code ${code}`);
  return ms;
}

/** Prints rows of step, bytes and milliseconds. Columns are as wide as their widest cell. */
export function table(rows) {
  const cells = rows.map(({ step, bytes, ms, note = "" }) => [
    step,
    bytes === undefined ? "" : mebibytes(bytes),
    seconds(ms),
    bytes === undefined ? "" : `${Math.round(bytes / 1e6 / (ms / 1000))} MB/s`,
    note,
  ]);
  const all = [["step", "bytes", "time", "speed", ""], ...cells];
  const widths = all[0].map((_, column) => Math.max(...all.map((row) => row[column].length)));
  for (const [at, row] of all.entries()) {
    const line = row.map((cell, column) =>
      column === 0 || column === 4 ? cell.padEnd(widths[column]) : cell.padStart(widths[column]),
    );
    say(styled(at === 0 ? "1" : "0", line.join("  ").trimEnd()));
  }
}
