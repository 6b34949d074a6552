import { GantryError } from "../base/error.ts";
import { printable } from "../base/text.ts";
import type { LookOptions } from "../verbs/look.ts";
import { type NameOrder, sortNames } from "../verbs/sort.ts";
import { limitFlag } from "./flags.ts";
import { type LookFlags, lookFlags, lookOptions } from "./look.ts";
import type { Session } from "./session.ts";

/** The flags of the commands that list names. */
export interface NameFlags extends Omit<LookFlags, "platform"> {
  readonly sort: NameOrder;
  readonly max?: number | undefined;
}

const { platform: _platform, ...look } = lookFlags;

export const nameFlags = {
  ...look,
  sort: {
    kind: "enum",
    values: ["none", "name", "semver"],
    brief: "In the registry's order (none), by name, or as versions from low to high",
    default: "none",
  },
  max: {
    kind: "parsed",
    parse: (input: string): number => {
      const value = Number(input);
      if (Number.isInteger(value) && value >= 1) return value;
      throw new GantryError("USAGE", `${input} is not a whole number from 1`);
    },
    brief: "Show so many at the most; sorted, the last ones",
    placeholder: "N",
    optional: true,
  },
  limit: { ...limitFlag, brief: "Set a limit, such as pages=5000 for very long lists" },
} as const;

/** Prints names: as they come where no order is asked for. */
export async function printNames(
  flags: NameFlags,
  io: Session,
  list: (options: LookOptions) => AsyncIterable<string>,
): Promise<void> {
  const streams = flags.sort === "none" && !flags.json;
  const max = flags.max ?? Number.POSITIVE_INFINITY;
  const found: string[] = [];
  let count = 0;
  for await (const name of list(lookOptions(flags, io))) {
    count += 1;
    if (streams) io.print(`${printable(name)}\n`);
    else found.push(name);
    if (flags.sort === "none" && count >= max) break;
  }
  if (streams) return;
  const sorted = (await sortNames(found, flags.sort)).slice(-max);
  if (flags.json) io.json(sorted);
  else io.print(sorted.map((name) => `${printable(name)}\n`).join(""));
}
