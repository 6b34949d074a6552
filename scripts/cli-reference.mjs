// Writes docs/cli.md, the reference of the command line, from the output of the built `gantry help --json`.
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { ensureBuilt, ensureInstalled } from "./setup.mjs";

/** @returns the text of docs/cli.md for the commands that `gantry help --json` describes */
export function reference(commands) {
  const groups = [...new Set(commands.map(({ group }) => group))];
  return `${[
    "# The command line",
    "",
    "Made by `node scripts/cli-reference.mjs` from the commands; do not edit it.",
    `\`gantry COMMAND --help\` shows the same on a terminal, and \`gantry --help\` the names of images and the exit codes.`,
    "The flags that most commands share are described once, at the end.",
    "",
    ...groups.flatMap((group) => [
      `**${group}**: ${commands.flatMap((each) => (each.group === group ? [`[${each.name}](#${anchor(each)})`] : [])).join(", ")}`,
      "",
    ]),
    ...commands.flatMap(command),
    ...sharedFlags(commands),
  ].join("\n")}\n`;
}

const anchor = ({ name }) => `gantry-${name.replaceAll(" ", "-")}`;

function command({ name, brief, details, usage, arguments: args, flags, examples }) {
  const own = flags.filter(({ group }) => group === undefined);
  const groups = [...new Set(flags.flatMap(({ group }) => group ?? []))];
  return [
    `## gantry ${name}`,
    "",
    `${brief}.`,
    "",
    ...block([usage]),
    ...(details === undefined ? [] : [markdown(details), ""]),
    ...args.map((argument) => `- \`${argument.name}\`: ${markdown(argument.brief)}`),
    ...own.map(flagLine),
    ...(args.length + own.length > 0 ? [""] : []),
    `Shared flags: ${groups.map((group) => `[${group}](#${group.toLowerCase()}-flags)`).join(", ")}`,
    "",
    ...block(examples.flatMap(({ purpose, line }) => [`# ${purpose}`, line])),
  ];
}

function sharedFlags(commands) {
  const all = commands.flatMap(({ flags }) => flags).filter(({ group }) => group !== undefined);
  const groups = ["Registry", "Store", "Limit", "Output"];
  return groups.flatMap((group, at) => {
    const names = [...new Set(all.flatMap((flag) => (flag.group === group ? [flag.name] : [])))];
    const flags = names.map((name) => all.find((flag) => flag.name === name));
    return [`## ${group} flags`, "", ...flags.map(flagLine), ...(at < groups.length - 1 ? [""] : [])];
  });
}

function flagLine({ name, short, placeholder, brief, values, default: standard, repeatable }) {
  const term = `${short === undefined ? "" : `${short}, `}${name}${placeholder === undefined ? "" : ` ${placeholder}`}`;
  const notes = [
    values && `. One of ${values.map((value) => `\`${value}\``).join(", ")}`,
    standard && ` (default: \`${standard}\`)`,
    repeatable && ". May be repeated",
  ];
  return `- \`${term}\`: ${markdown(brief)}${notes.filter(Boolean).join("")}`;
}

const block = (lines) => ["```", ...lines, "```", ""];

/** Escapes text for Markdown, except between backticks. */
const markdown = (text) =>
  text
    .split(/(`[^`]*`)/)
    .map((part) => (part.startsWith("`") ? part : part.replace(/[*_<>[\]]/g, "\\$&")))
    .join("");

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  ensureInstalled();
  ensureBuilt();
  const json = execFileSync(process.execPath, ["dist/cli/main.js", "help", "--json"], { encoding: "utf8" });
  writeFileSync("docs/cli.md", reference(JSON.parse(json)));
}
