import { defaultLimits } from "../../base/limits.ts";
import type { CommandHelp, FlagHelp } from "../help/describe.ts";
import { scripts } from "./scripts.ts";

/** A word that can be completed at the cursor, and what it means. */
export type Candidate = readonly [word: string, meaning?: string];

/** Candidates, or the kind of path that the shell must complete. */
export type Completion = readonly Candidate[] | "files" | "directories";

const platforms = [
  "linux/amd64",
  "linux/arm64",
  "linux/arm/v7",
  "linux/386",
  "linux/ppc64le",
  "linux/riscv64",
  "linux/s390x",
];

/** Completes a word after the name of a command: a flag, the value of a flag, or an argument. */
export async function completeArguments(
  help: CommandHelp,
  given: readonly string[],
  current: string,
): Promise<Completion> {
  const flagOf = (word: string): FlagHelp | undefined =>
    help.flags.find(({ name, short }) => word === name || word === short);
  const state = read(given, flagOf);
  if (state.awaits) return completeValue(state.awaits.placeholder!, state.awaits.values, current, state.store);
  if (!state.ended && current.startsWith("-")) {
    const [name, value] = current.split(/=(.*)/s);
    const flag = flagOf(name!);
    if (value === undefined || !flag?.placeholder) return flagNames(help);
    const values = await completeValue(flag.placeholder, flag.values, value, state.store);
    return typeof values === "string" ? values : values.map(([word, meaning]) => [`${name}=${word}`, meaning!]);
  }
  const { arguments: all } = help;
  const argument = all[state.positions] ?? (all.at(-1)?.repeatable ? all.at(-1) : undefined);
  if (!argument) return [];
  // `NAME KEY=VALUE...`: the first word once, then the second one for each further argument.
  const names = argument.name.split(" ");
  return completeValue(names[Math.min(state.positions, names.length - 1)]!, undefined, current, state.store);
}

interface State {
  /** The flag that the word at the cursor is the value of. */
  readonly awaits: FlagHelp | undefined;
  /** How many arguments there are already. */
  readonly positions: number;
  /** Whether `--` ended the flags. */
  readonly ended: boolean;
  /** The value of --store. */
  readonly store: string | undefined;
}

function read(given: readonly string[], flagOf: (word: string) => FlagHelp | undefined): State {
  let awaits: FlagHelp | undefined;
  let [positions, ended] = [0, false];
  let store: string | undefined;
  for (const word of given) {
    if (awaits) {
      if (awaits.name === "--store") store = word;
      awaits = undefined;
    } else if (ended || !word.startsWith("-")) positions += 1;
    else if (word === "--") ended = true;
    else if (word.startsWith("--store=")) store = word.slice("--store=".length);
    else if (flagOf(word)?.placeholder) awaits = flagOf(word);
  }
  return { awaits, positions, ended, store };
}

const flagNames = (help: CommandHelp): Candidate[] => help.flags.map(({ name, brief }) => [name, brief]);

/** Completes a value by its placeholder. */
async function completeValue(
  placeholder: string,
  values: readonly string[] | undefined,
  current: string,
  store: string | undefined,
): Promise<Completion> {
  if (values) return words(values);
  switch (placeholder) {
    case "DIR":
    case "ROOTFS":
      return "directories";
    case "PATH":
      return "files";
    case "SHELL":
      return words(Object.keys(scripts));
    case "OS/ARCH":
      return words(platforms);
    case "NAME=N":
      return Object.keys(defaultLimits).map((name): Candidate => [`${name}=`]);
    case "NAME":
      return words(await (await import("./found.ts")).storedNames(store));
    case "IMAGE":
    case "REF":
    case "REPO":
    case "BLOB":
    case "SRC":
    case "DST":
    case "REGISTRY":
    case "SOURCE":
      return locations(current, store);
    default:
      return [];
  }
}

const words = (values: readonly string[]): Candidate[] => values.map((value): Candidate => [value]);

/** The names of images that are known without asking a registry. */
async function locations(current: string, store: string | undefined): Promise<Candidate[]> {
  if (!/^(?:oci|store):/.test(current)) {
    return [
      ["oci:", "An OCI image layout on disk"],
      ["store:", "The local store"],
    ];
  }
  const { layoutDirectories, storedNames } = await import("./found.ts");
  if (current.startsWith("oci:")) return words(await layoutDirectories(current.slice("oci:".length)));
  return words((await storedNames(store)).map((name) => `store:${name}`));
}
