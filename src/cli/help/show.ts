import type { CommandTable } from "../command.ts";
import { allCommands, type ResolvedCommand, resolveCommand } from "../resolve.ts";
import { styleOf } from "../style.ts";
import { type CommandHelp, describeCommand } from "./describe.ts";
import { type Page, renderCommand, renderFamily, renderOverview } from "./render.ts";

/** The width of help without a terminal, and its greatest width on a terminal. */
const [COLUMNS, MOST_COLUMNS] = [80, 100];

/** The help of the command that the words name, of a family, or of gantry. @throws USAGE for an unknown command */
export async function helpText(
  words: readonly string[],
  table: CommandTable,
  stdout: NodeJS.WriteStream,
): Promise<string> {
  const page: Page = {
    width: stdout.isTTY ? Math.min(MOST_COLUMNS, Math.max(40, stdout.columns || COLUMNS)) : COLUMNS,
    style: styleOf(stdout),
  };
  const found = resolveCommand(words, table);
  if (!found) return renderOverview(table, page);
  if ("entry" in found) return renderCommand(await describeCommand(found), page);
  return renderFamily(found.path.join(" "), found.family, await describeAll(membersOf(found.path[0]!, table)), page);
}

/** The same as data: one command, or an array for a family or for all. @throws USAGE for an unknown command */
export async function helpData(
  words: readonly string[],
  table: CommandTable,
): Promise<CommandHelp | readonly CommandHelp[]> {
  const found = resolveCommand(words, table);
  if (found && "entry" in found) return describeCommand(found);
  return describeAll(found ? membersOf(found.path[0]!, table) : allCommands(table));
}

const membersOf = (name: string, table: CommandTable): readonly ResolvedCommand[] =>
  allCommands(table).filter(({ path }) => path[0] === name);

const describeAll = (commands: readonly ResolvedCommand[]): Promise<CommandHelp[]> =>
  Promise.all(commands.map(describeCommand));
