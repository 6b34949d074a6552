import {
  AliasNotFoundError,
  ArgumentParseError,
  EnumValidationError,
  FlagNotFoundError,
  UnexpectedFlagError,
  UnexpectedPositionalError,
  UnsatisfiedFlagError,
  UnsatisfiedPositionalError,
} from "@stricli/core";
import { messageOf } from "../base/error.ts";
import { printable } from "../base/text.ts";
import { flagName } from "./flag-kinds.ts";

/** Says what is wrong with the arguments of a command. If their number is wrong, it also shows a line that works. */
export function usageError(path: readonly string[], example: string, error: unknown): string {
  const command = `gantry ${path.join(" ")}`;
  const shown = counts.some((kind) => error instanceof kind) ? `, as in: ${example}` : "";
  return `${command}: ${printable(faultOf(error))}${shown}; see ${command} --help`;
}

const counts = [UnsatisfiedPositionalError, UnsatisfiedFlagError, UnexpectedPositionalError];

function faultOf(error: unknown): string {
  if (error instanceof UnsatisfiedPositionalError) return missing(error);
  if (error instanceof UnsatisfiedFlagError) return `--${error.externalFlagName} needs a value`;
  if (error instanceof UnexpectedPositionalError) return `there is one argument too many: ${quote(error.input)}`;
  if (error instanceof UnexpectedFlagError) return `--${error.externalFlagName} is given more than once`;
  if (error instanceof AliasNotFoundError) return `there is no flag -${error.input}`;
  if (error instanceof FlagNotFoundError) return `there is no flag --${error.input}${didYouMean(error.corrections)}`;
  if (error instanceof EnumValidationError)
    return `--${error.externalFlagName} ${quote(error.input)} is not one of ${error.values.join(", ")}`;
  if (error instanceof ArgumentParseError)
    return `${nameOf(error.externalFlagNameOrPlaceholder)}: ${messageOf(error.exception)}`;
  return messageOf(error);
}

function missing({ limit, placeholder }: UnsatisfiedPositionalError): string {
  const [minimum, count] = limit ?? [1, 0];
  return count > 0 ? `needs ${minimum} arguments (${placeholder}), but got ${count}` : `${placeholder} is missing`;
}

const quote = (text: string): string => JSON.stringify(text);

/** Placeholders of arguments are in capitals, names of flags are not. */
const nameOf = (name: string): string => (/[a-z]/.test(name) ? `--${name}` : name);

const didYouMean = (names: readonly string[]): string =>
  names.length > 0 ? ` (did you mean ${[...new Set(names.map(flagName))].join(" or ")}?)` : "";
