import { printable } from "../base/text.ts";
import type { LookOptions } from "../verbs/look.ts";
import { type NameOrder, sortNames } from "../verbs/sort.ts";
import { choice, number } from "./flag-kinds.ts";
import { lookOptions, type RepositoryFlags, repositoryFlags } from "./look.ts";
import type { Session } from "./session.ts";

/** The flags of the commands that list names. */
export interface NameFlags extends RepositoryFlags {
  readonly sort: NameOrder;
  readonly max?: number | undefined;
}

export const nameFlags = {
  sort: choice<NameOrder>(
    "Sort the names: none keeps the order of the registry, semver puts the highest version last",
    "ORDER",
    ["none", "name", "semver"],
  ),
  max: number(
    "Show at most N names: the first ones, or the last ones of a sorted list",
    (value) => Number.isInteger(value) && value >= 1,
    "a whole number from 1",
  ),
  ...repositoryFlags,
} as const;

/** Prints names: each as it arrives, unless they must be sorted first. */
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
