import type { TypedFlagParameter } from "@stricli/core";
import { GantryError } from "../base/error.ts";

/** How a flag is written on the command line: `storeDb` is `--store-db`. */
export const flagName = (name: string): string => `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;

/** A flag that takes a value. */
export const text = (brief: string, placeholder: string): TypedFlagParameter<string | undefined> => ({
  kind: "parsed",
  parse: String,
  brief,
  placeholder,
  optional: true,
});

/** A flag that takes a value and may be given several times. */
export const several = (brief: string, placeholder: string): TypedFlagParameter<readonly string[] | undefined> => ({
  kind: "parsed",
  parse: String,
  brief,
  placeholder,
  variadic: true,
  optional: true,
});

/** A flag that takes no value. */
export const on = (brief: string): TypedFlagParameter<boolean> => ({
  kind: "boolean",
  brief,
  default: false,
  withNegated: false,
});

/** A flag that takes a number. Its parser throws USAGE for a number that `accepts` refuses. */
export const number = (
  brief: string,
  accepts: (value: number) => boolean,
  expected: string,
): TypedFlagParameter<number | undefined> => ({
  kind: "parsed",
  parse: (input: string): number => {
    const value = Number(input);
    if (accepts(value)) return value;
    throw new GantryError("USAGE", `${JSON.stringify(input)} is not ${expected}`);
  },
  brief,
  placeholder: "N",
  optional: true,
});

/** A flag that takes one of several words. The help shows the placeholder, and lists the words. */
export function choice<T extends string>(
  brief: string,
  placeholder: string,
  values: readonly [T, ...T[]],
): TypedFlagParameter<T> {
  const flag = { kind: "enum", values, default: values[0], brief, placeholder } as const;
  return flag as unknown as TypedFlagParameter<T>;
}
