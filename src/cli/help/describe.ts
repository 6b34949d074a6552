import type { Command } from "@stricli/core";
import type { Context, Example } from "../command.ts";
import { flagName } from "../flag-kinds.ts";
import { flagGroups } from "../flags.ts";
import type { ResolvedCommand } from "../resolve.ts";

export interface FlagHelp {
  /** `--platform` */
  readonly name: string;
  /** `-u` */
  readonly short?: string | undefined;
  /** What its value is called; absent where it takes none. */
  readonly placeholder?: string | undefined;
  readonly brief: string;
  /** The heading that it stands under; absent for a command's own flags. */
  readonly group?: string | undefined;
  readonly values?: readonly string[] | undefined;
  readonly default?: string | undefined;
  readonly repeatable: boolean;
}

interface ArgumentHelp {
  /** `IMAGE` */
  readonly name: string;
  readonly brief: string;
  readonly optional: boolean;
  readonly repeatable: boolean;
}

/** A command as data, from which its help, the reference and the completion are made. */
export interface CommandHelp {
  /** `images rm` */
  readonly name: string;
  readonly group: string;
  readonly brief: string;
  readonly details?: string | undefined;
  readonly usage: string;
  readonly arguments: readonly ArgumentHelp[];
  readonly flags: readonly FlagHelp[];
  readonly examples: readonly { readonly purpose: string; readonly line: string }[];
}

/** Loads a command and describes it. */
export async function describeCommand({ path, entry }: ResolvedCommand): Promise<CommandHelp> {
  const { details, examples, command } = await entry.load();
  const name = path.join(" ");
  const arguments_ = argumentsOf(command);
  return {
    name,
    group: entry.group,
    brief: entry.brief,
    details,
    usage: ["gantry", name, "[flags]", ...arguments_.map(usageOf)].join(" "),
    arguments: arguments_,
    flags: [...flagsOf(command), helpFlag],
    examples: examples.map(([purpose, line]: Example) => ({ purpose, line })),
  };
}

const helpFlag: FlagHelp = { name: "--help", short: "-h", brief: "Show this help", group: "Output", repeatable: false };

function usageOf({ name, optional, repeatable }: ArgumentHelp): string {
  const shown = repeatable ? `${name}...` : name;
  return optional ? `[${shown}]` : shown;
}

function argumentsOf({ parameters: { positional } }: Command<Context>): ArgumentHelp[] {
  if (positional === undefined) return [];
  if (positional.kind === "array") {
    const { placeholder = "ARGUMENT", brief } = positional.parameter;
    return [{ name: placeholder, brief, optional: (positional.minimum ?? 0) === 0, repeatable: true }];
  }
  return positional.parameters.map(({ placeholder = "ARGUMENT", brief, optional = false }) => ({
    name: placeholder,
    brief,
    optional,
    repeatable: false,
  }));
}

type Flag = NonNullable<Command<Context>["parameters"]["flags"]>[string];

function flagsOf({ parameters: { flags = {}, aliases = {} } }: Command<Context>): FlagHelp[] {
  const shorts = new Map(Object.entries(aliases).map(([letter, name]) => [name, `-${letter}`]));
  const order = Object.values(flagGroups).flat();
  return Object.entries(flags)
    .sort(([a], [b]) => order.indexOf(a) - order.indexOf(b))
    .map(([name, flag]) => ({
      name: flagName(name),
      short: shorts.get(name),
      placeholder: placeholderOf(flag),
      brief: flag.brief,
      group: Object.keys(flagGroups).find((group) => flagGroups[group]!.includes(name)),
      values: flag.kind === "enum" ? flag.values : undefined,
      default: "default" in flag && typeof flag.default === "string" ? flag.default : undefined,
      repeatable: "variadic" in flag && flag.variadic === true,
    }));
}

function placeholderOf(flag: Flag): string | undefined {
  if (flag.kind === "boolean" || flag.kind === "counter") return undefined;
  return ("placeholder" in flag ? flag.placeholder : undefined) ?? "VALUE";
}
