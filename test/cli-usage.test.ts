import { buildApplication, type Command, run } from "@stricli/core";
import { describe, expect, test } from "vitest";
import type { Context } from "../src/cli/command.ts";
import { commandGroups } from "../src/cli/command-groups.ts";
import { commands } from "../src/cli/commands.ts";
import { describeCommand } from "../src/cli/help/describe.ts";
import { renderCommand, renderOverview } from "../src/cli/help/render.ts";
import { allCommands } from "../src/cli/resolve.ts";
import { styleOf } from "../src/cli/style.ts";
import { gantry } from "./support/peers.ts";

const all = await Promise.all(
  allCommands(commands).map(async (found) => ({
    name: found.path.join(" "),
    help: await describeCommand(found),
    defined: await found.entry.load(),
  })),
);
const exampleOf = (name: string): string => all.find((each) => each.name === name)!.help.examples[0]!.line;
const needsArguments = all.filter(({ help }) => help.arguments.some(({ optional }) => !optional));

describe("errors about arguments", () => {
  test.each([
    ...needsArguments.map(({ name }) => [name, name, "missing"]),
    ["cp", "cp one", "DST is missing"],
    ["unpack", "unpack one", "ROOTFS is missing"],
    ["tag", "tag one", "needs 2 arguments (IMAGE TAG), but got 1"],
    ["digest", "digest one two", 'one argument too many: "two"'],
    ["pull", "pull --store", "--store needs a value"],
  ])("gantry %s: the error of `%s` names the wrong argument and a line that works", async (command, line, fault) => {
    const { code, stdout, stderr } = await gantry(line!.split(" "));
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toContain(`gantry ${command}: `);
    expect(stderr).toContain(fault!);
    expect(stderr).toContain(`, as in: ${exampleOf(command!)}; see gantry ${command} --help\n`);
  });

  test.each([
    ["pull --platfrom x y", "gantry pull: there is no flag --platfrom (did you mean --platform?); see"],
    ["cp --dest-insecur x y", "there is no flag --dest-insecur (did you mean --dest-insecure?); see"],
    ["pull -x y", "gantry pull: there is no flag -x; see"],
    ["pull --progress loud y", '--progress "loud" is not one of auto, plain, json, none; see'],
    ["pull --parallel 0 y", '--parallel: "0" is not a whole number from 1 to 64; see'],
    ["pull --json --json y", "--json is given more than once; see"],
    ["pul", "there is no command pul; did you mean pull? See gantry --help"],
    ["images lable", "there is no command images lable; did you mean label? See gantry images --help"],
    ["help nothing", "there is no command nothing. See gantry --help"],
    ["--json pull", "name a command before the flag --json"],
  ])("`gantry %s` ends with 2 and says what is wrong", async (line, fault) => {
    const { code, stdout, stderr } = await gantry(line!.split(" "));
    expect([code, stdout, stderr.split("\n").length]).toEqual([2, "", 2]);
    expect(stderr).toContain(fault!);
  });

  test("an error escapes control characters of the argument that it quotes", async () => {
    for (const args of [["digest", "one", "\u001b[31m"], ["\u001b[31m"], ["pull", "--\u001b[31m"]]) {
      const { code, stderr } = await gantry(args);
      expect([args, code, stderr.includes("\u001b")]).toEqual([args, 2, false]);
      expect(stderr).toMatch(/\\(x|u00)1b\[31m/);
    }
  });
});

describe("help", () => {
  test("the overview lists every command in a group and three examples, and gantry without arguments prints it", async () => {
    const { code, stdout } = await gantry(["--help"]);
    expect([code, stdout.split("\n")[0]]).toEqual([0, "Usage: gantry COMMAND [flags] [arguments]"]);
    for (const group of commandGroups) expect(stdout).toContain(`\n${group}:\n  `);
    for (const [name, { brief }] of Object.entries(commands)) {
      expect(stdout).toMatch(new RegExp(`^ {2}${name} +${brief}$`, "m"));
    }
    expect(stdout.match(/^ {2}\$ gantry /gm)).toHaveLength(3);
    for (const args of [[], ["help"], ["-h"]]) expect(await gantry(args)).toEqual({ code: 0, stdout, stderr: "" });
  });

  test("`gantry help COMMAND` and `gantry --help COMMAND` are `gantry COMMAND --help`", async () => {
    for (const name of ["pull", "images", "images rm"]) {
      const own = await gantry([...name.split(" "), "--store", "x", "--help"]);
      expect(own.stdout).toMatch(new RegExp(`^Usage: gantry ${name} `));
      expect(await gantry(["help", ...name.split(" ")])).toEqual(own);
      expect(await gantry(["--help", ...name.split(" ")])).toEqual(own);
    }
  });

  test.each(["", "images", ...all.map(({ name }) => name)])("of gantry %s fits into 80 columns", async (command) => {
    const { code, stdout } = await gantry([...command.split(" ").filter(Boolean), "--help"]);
    expect([code, stdout.length > 100]).toEqual([0, true]);
    expect(stdout.split("\n").filter((line) => line.length > 80)).toEqual([]);
    expect(stdout).toMatch(/^Usage: gantry /);
  });

  test("shows a command's own flags first, then shared ones under their headings, and wraps lines", async () => {
    const { help } = all.find(({ name }) => name === "pull")!;
    const style = styleOf({ isTTY: true, hasColors: () => true });
    const plain = renderCommand(help, { width: 80, style: styleOf({}) });
    expect(plain.match(/^\S.*:$/gm)).toEqual([
      "Arguments:",
      "Flags:",
      "Registry flags:",
      "Store flags:",
      "Limit flags:",
      "Output flags:",
      "Examples:",
    ]);
    expect(plain.split("\n")[0]).toBe("Usage: gantry pull [flags] REF");
    expect(plain).toMatch(/^ {2}--platform OS\/ARCH {2,}\S/m);
    expect(renderCommand(help, { width: 80, style })).toContain("\u001b[1mFlags:\u001b[22m\n");
    for (const width of [60, 100]) {
      for (const text of [
        renderCommand(help, { width, style: styleOf({}) }),
        renderOverview(commands, { width, style: styleOf({}) }),
      ])
        expect(text.split("\n").filter((line) => line.length > width && !line.startsWith("  $ "))).toEqual([]);
    }
  });

  test("as JSON describes one command, or all", async () => {
    const list = JSON.parse((await gantry(["help", "--json"])).stdout);
    expect(list.map(({ name }: { name: string }) => name)).toEqual(all.map(({ name }) => name));
    const one = JSON.parse((await gantry(["help", "pull", "--json"])).stdout);
    expect(one).toMatchObject({ name: "pull", usage: "gantry pull [flags] REF" });
    expect(one.flags).toContainEqual({
      name: "--progress",
      placeholder: "MODE",
      brief: "How progress is shown on stderr: auto draws bars on a terminal and prints lines elsewhere",
      group: "Output",
      values: ["auto", "plain", "json", "none"],
      default: "auto",
      repeatable: false,
    });
  });
});

/** The words of the command in an example, without pipes and redirections. */
function wordsOf(line: string): string[] {
  const command = /\bgantry [^|>)]*/.exec(line)![0].trim();
  return command
    .replaceAll("$DIGEST", `sha256:${"0".repeat(64)}`)
    .split(/\s+/)
    .slice(1);
}

describe.each(all)("the examples of gantry $name", ({ name, help, defined }) => {
  test.each(help.examples)("parse: $line", async ({ purpose, line }) => {
    expect(purpose).toMatch(/^[A-Z]/);
    const words = wordsOf(line);
    const path = name.split(" ");
    expect(words.slice(0, path.length)).toEqual(path);
    let ran = 0;
    const count = (): void => {
      ran += 1;
    };
    const command = { ...defined.command, loader: async () => count } as Command<Context>;
    const said: string[] = [];
    const stream = { write: (text: string) => void said.push(text) };
    const application = buildApplication(
      command,
      { name, scanner: { caseStyle: "allow-kebab-for-camel", allowArgumentEscapeSequence: true } },
      {},
    );
    const process = { stdout: stream, stderr: stream, exitCode: undefined } as unknown as NodeJS.Process;
    const signal = new AbortController().signal;
    await run(application, words.slice(path.length), { process, signal, commands } as never);
    expect([said, ran]).toEqual([[], 1]);
  });
});
