import {
  type BaseArgs,
  type BaseFlags,
  buildCommand,
  type Command,
  type CommandContext,
  type CommandFunction,
  type TypedCommandParameters,
} from "@stricli/core";
import type { CommandGroup } from "./command-groups.ts";

/** What a command gets from the process around it. */
export interface Context extends CommandContext {
  readonly process: NodeJS.Process;
  /** Aborted by SIGINT and SIGTERM. */
  readonly signal: AbortSignal;
  /** Every command, for the commands that describe others. */
  readonly commands: CommandTable;
}

/** What an example does, and its command line. */
export type Example = readonly [purpose: string, line: string];

/** What the help of a command says in addition to its parameters. */
interface CommandText {
  /** Paragraphs, separated by empty lines. */
  readonly details?: string | undefined;
  /** The first one is shown by errors about a missing argument. */
  readonly examples: readonly [Example, ...Example[]];
}

export interface DefinedCommand extends CommandText {
  /** Parses its arguments and runs it. */
  readonly command: Command<Context>;
}

/** A command as the table lists it: its file is loaded only when it is needed. */
export interface CommandEntry {
  readonly group: CommandGroup;
  /** One line. */
  readonly brief: string;
  readonly load: () => Promise<DefinedCommand>;
}

/** A command that consists of others, such as `images`. */
export interface CommandFamily {
  readonly group: CommandGroup;
  readonly brief: string;
  /** The command that runs if none is named. */
  readonly standard: string;
  readonly commands: Readonly<Record<string, CommandEntry>>;
}

export type CommandTable = Readonly<Record<string, CommandEntry | CommandFamily>>;

interface Definition<FLAGS extends BaseFlags, ARGS extends BaseArgs> extends CommandText {
  readonly func: CommandFunction<FLAGS, ARGS, Context>;
  readonly parameters: NoInfer<TypedCommandParameters<FLAGS, ARGS, Context>>;
}

/** Makes a command of its texts, its parameters and the function that runs it. Its brief is in the table of commands. */
export function defineCommand<
  const FLAGS extends Readonly<Partial<Record<keyof FLAGS, unknown>>> = NonNullable<unknown>,
  const ARGS extends BaseArgs = [],
>({ details, examples, parameters, func }: Definition<FLAGS, ARGS>): DefinedCommand {
  return { details, examples, command: buildCommand({ docs: { brief: "" }, parameters, func }) };
}
