import { expect, test } from "vitest";
import { commands } from "../src/cli/commands.ts";
import { examples } from "../src/cli/usage.ts";
import { gantry } from "./support/peers.ts";

test.each([
  // login asks for what is missing where there is a terminal.
  ...Object.keys(examples).flatMap((command) => (command === "login" ? [] : [[command, "missing"]])),
  ["cp one", "DST is missing"],
  ["unpack one", "ROOTFS is missing"],
  ["tag one", "2 arguments are needed (IMAGE TAG), and there is 1"],
  ["digest one two", "two"],
])("gantry %s: says which argument is wrong, and shows a line that works", async (line, fault) => {
  const args = line!.split(" ");
  const command = examples[line!] ? line! : args[0]!;
  const { code, stdout, stderr } = await gantry(args);
  expect([code, stdout]).toEqual([2, ""]);
  expect(stderr).toContain(`gantry ${command}: `);
  expect(stderr).toContain(fault!);
  expect(stderr).toContain(`, as in: ${examples[command]}; see gantry ${command} --help\n`);
});

test("every command has such a line, unless it needs no argument", () => {
  const without = Object.keys(commands).filter((command) => !examples[command]);
  expect(without.sort()).toEqual(["images", "logout", "ratelimit", "version"]);
});

test("no argument steers the terminal from within an error about it", async () => {
  const { code, stderr } = await gantry(["digest", "one", "\u001b[31m"]);
  expect([code, stderr.includes("\u001b")]).toEqual([2, false]);
  expect(stderr).toContain("\\x1b[31m");
});

test.each(["", ...Object.keys(commands), ...["ls", "label", "rm", "gc", "fsck"].map((name) => `images ${name}`)])(
  "the help of gantry %s fits into 80 columns",
  async (command) => {
    const { code, stdout } = await gantry([...command.split(" ").filter(Boolean), "--help"]);
    expect([code, stdout.length > 100]).toEqual([0, true]);
    expect(stdout.split("\n").filter((line) => line.length > 80)).toEqual([]);
    expect(stdout).toContain("USAGE\n  gantry ");
  },
);
