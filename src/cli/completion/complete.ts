import { printable } from "../../base/text.ts";
import type { CommandFamily, CommandTable } from "../command.ts";
import { describeCommand } from "../help/describe.ts";
import { type ResolvedCommand, resolveCommand } from "../resolve.ts";
import { type Candidate, completeArguments } from "./arguments.ts";

/**
 * Answers a shell that completes the last of the words that follow `gantry`: one line for each candidate,
 * `WORD<tab>MEANING`; or `:files` or `:directories` where the shell must complete a path.
 * Words that a line cannot carry are left out.
 */
export async function complete(words: readonly string[], table: CommandTable): Promise<string> {
  const current = words.at(-1) ?? "";
  const found = await candidates(words.slice(0, -1), current, table);
  if (typeof found === "string") return `:${found}\n`;
  return found
    .filter(([word]) => word.startsWith(current) && fitsLine(word))
    .map((candidate) => `${candidate.join("\t")}\n`)
    .join("");
}

/** Whether a shell reads the word as it is: not as two lines, and not as `:files`. */
const fitsLine = (word: string): boolean => printable(word) === word && !word.startsWith(":");

async function candidates(
  before: readonly string[],
  current: string,
  table: CommandTable,
): Promise<readonly Candidate[] | "files" | "directories"> {
  const [first, second] = before;
  const topFlags: Candidate[] = [
    ["--help", "Show help"],
    ["--version", "Print the version"],
  ];
  if (first === undefined) return current.startsWith("-") ? topFlags : namesOf(table);
  if (first === "help") return namesOf(second === undefined ? table : membersOf(table, second));
  const command = commandOf(before, table);
  if (!command) return [];
  const given = before.slice(command.path.length);
  if (given.length === 0 && command.path.length === 1 && !current.startsWith("-")) {
    const members = membersOf(table, first);
    if (Object.keys(members).length > 0) return namesOf(members);
  }
  return completeArguments(await describeCommand(command), given, current);
}

/** The command that the words name; undefined where no command has that name. */
function commandOf(words: readonly string[], table: CommandTable): ResolvedCommand | undefined {
  try {
    const found = resolveCommand(words, table);
    if (!found || "entry" in found) return found;
    return { path: found.path, entry: found.family.commands[found.family.standard]! };
  } catch {
    return undefined;
  }
}

function membersOf(table: CommandTable, name: string): CommandFamily["commands"] {
  const entry = Object.hasOwn(table, name) ? table[name] : undefined;
  return entry && "commands" in entry ? entry.commands : {};
}

const namesOf = (table: Readonly<Record<string, { readonly brief: string }>>): Candidate[] =>
  Object.entries(table).map(([name, { brief }]) => [name, brief]);
