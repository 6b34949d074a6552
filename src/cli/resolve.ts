import { GantryError } from "../base/error.ts";
import { printable } from "../base/text.ts";
import type { CommandEntry, CommandFamily, CommandTable } from "./command.ts";

/** The command that a command line names. */
export interface ResolvedCommand {
  /** `["images", "rm"]` */
  readonly path: readonly string[];
  readonly entry: CommandEntry;
}

export interface ResolvedFamily {
  readonly path: readonly string[];
  readonly family: CommandFamily;
}

/**
 * Finds the command that the first words name; undefined where there are no words.
 * @throws USAGE for a name that no command has
 */
export function resolveCommand(
  words: readonly string[],
  table: CommandTable,
): ResolvedCommand | ResolvedFamily | undefined {
  const [first, second] = words;
  if (first === undefined) return undefined;
  if (first.startsWith("-"))
    throw new GantryError("USAGE", `name a command before the flag ${printable(first)}; see gantry --help`);
  const entry = Object.hasOwn(table, first) ? table[first]! : undefined;
  if (!entry) throw unknown(first, [], Object.keys(table));
  if ("load" in entry) return { path: [first], entry };
  if (second === undefined || second.startsWith("-")) return { path: [first], family: entry };
  const member = Object.hasOwn(entry.commands, second) ? entry.commands[second]! : undefined;
  if (!member) throw unknown(second, [first], Object.keys(entry.commands));
  return { path: [first, second], entry: member };
}

/** Whether a command line asks for help; then nothing else is done. */
export function asksForHelp(argv: readonly string[]): boolean {
  const end = argv.indexOf("--");
  const flags = end < 0 ? argv : argv.slice(0, end);
  return argv.length === 0 || flags.includes("--help") || flags.includes("-h");
}

/** Every command with its path, and those of families in place of the family. */
export function allCommands(table: CommandTable): readonly ResolvedCommand[] {
  return Object.entries(table).flatMap(([name, entry]): ResolvedCommand[] =>
    "load" in entry
      ? [{ path: [name], entry }]
      : Object.entries(entry.commands).map(([member, own]) => ({ path: [name, member], entry: own })),
  );
}

function unknown(word: string, path: readonly string[], names: readonly string[]): GantryError {
  const command = ["gantry", ...path].join(" ");
  const close = closest(word, names);
  const meant = close.length > 0 ? `; did you mean ${close.join(" or ")}?` : ".";
  return new GantryError(
    "USAGE",
    `there is no command ${[...path, printable(word)].join(" ")}${meant} See ${command} --help`,
  );
}

/** The names that a mistyped word may mean. */
function closest(word: string, names: readonly string[]): readonly string[] {
  const far = names.map((name) => ({ name, distance: distance(word, name) }));
  const least = Math.min(...far.map((each) => each.distance));
  if (least > Math.max(1, Math.floor(word.length / 3))) {
    return word.length > 1 ? names.filter((name) => name.startsWith(word)) : [];
  }
  return far.filter((each) => each.distance === least).map(({ name }) => name);
}

/** How many letters must be inserted, removed, replaced or swapped with the next one. */
function distance(a: string, b: string): number {
  const rows = [Array.from({ length: b.length + 1 }, (_, at) => at)];
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const replaced = rows[i - 1]![j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1] ? rows[i - 2]![j - 2]! + 1 : 99;
      row.push(Math.min(rows[i - 1]![j]! + 1, row[j - 1]! + 1, replaced, swapped));
    }
    rows.push(row);
  }
  return rows[a.length]![b.length]!;
}
