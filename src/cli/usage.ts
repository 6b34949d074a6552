import { UnexpectedPositionalError, UnsatisfiedFlagError, UnsatisfiedPositionalError } from "@stricli/core";
import { messageOf } from "../base/error.ts";
import { printable } from "../base/text.ts";

/** One line that works, for each command that needs arguments. The error about a missing argument shows it. */
export const examples: Readonly<Record<string, string>> = {
  pull: "gantry pull alpine:3.20",
  push: "gantry push alpine:3.20 registry.example/alpine:3.20",
  cp: "gantry cp alpine:3.20 oci:images:3.20",
  unpack: "gantry unpack alpine:3.20 ./rootfs",
  inspect: "gantry inspect alpine:3.20",
  digest: "gantry digest alpine:3.20",
  manifest: "gantry manifest alpine:3.20",
  config: "gantry config alpine:3.20",
  ls: "gantry ls registry.example/app",
  tag: "gantry tag registry.example/app:1.2.3 1.2 latest",
  rm: "gantry rm registry.example/app:old",
  catalog: "gantry catalog registry.example",
  blob: "gantry blob alpine@sha256:...",
  referrers: "gantry referrers registry.example/app:1.2.3",
  explain: "gantry explain alpine:3.20",
  login: "echo $TOKEN | gantry login --username NAME --password-stdin registry.example",
  serve: "gantry serve oci:images",
  "images label": "gantry images label alpine:3.20 team=core",
  "images rm": "gantry images rm alpine:3.20",
};

/** The command that a command line names: `cp`, `images rm`. */
function commandOf([first = "", second = ""]: readonly string[]): string {
  return first === "images" && !second.startsWith("-") ? `${first} ${second}`.trim() : first;
}

/** What is wrong with the arguments of a command, and what they look like where one is missing or too many. */
export function usageError(argv: readonly string[], error: unknown): string {
  const command = printable(commandOf(argv));
  const example = examples[command];
  const shown = example && counts.some((kind) => error instanceof kind) ? `, as in: ${example}` : "";
  return `gantry ${command}: ${faultOf(error)}${shown}; see gantry ${command} --help`;
}

const counts = [UnsatisfiedPositionalError, UnsatisfiedFlagError, UnexpectedPositionalError];

function faultOf(error: unknown): string {
  if (!(error instanceof UnsatisfiedPositionalError)) return printable(messageOf(error));
  const [minimum, count] = error.limit ?? [1, 0];
  return count > 0
    ? `${minimum} arguments are needed (${error.placeholder}), and there is ${count}`
    : `${error.placeholder} is missing`;
}
