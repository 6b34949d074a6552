import type { CommandTable } from "../command.ts";
import { commandGroups } from "../command-groups.ts";
import type { Style } from "../style.ts";
import { twoColumns, wrap } from "../wrap.ts";
import type { CommandHelp, FlagHelp } from "./describe.ts";
import { exitCodes, imageNames, topExamples } from "./texts.ts";

/** The width of help, and the style of its headings. */
export interface Page {
  readonly width: number;
  readonly style: Style;
}

/** Longer terms have a line of their own. */
const LONGEST_TERM = 25;

const section = (heading: string, lines: readonly string[], { style }: Page): string[] =>
  lines.length === 0 ? [] : ["", style.bold(`${heading}:`), ...lines.map((line) => (line ? `  ${line}` : line))];

const rows = (list: readonly (readonly [string, string])[], { width }: Page, longest = LONGEST_TERM): string[] =>
  twoColumns(list, width - 2, longest);

/** The page of `gantry --help`. */
export function renderOverview(table: CommandTable, page: Page): string {
  const entries = Object.entries(table);
  const longest = Math.max(...entries.map(([name]) => name.length));
  const lines = [
    `${page.style.bold("Usage:")} gantry COMMAND [flags] [arguments]`,
    "",
    ...wrap("Move, verify, inspect, unpack and serve OCI and Docker images.", page.width),
    ...commandGroups.flatMap((group) => {
      const members = entries.filter(([, entry]) => entry.group === group);
      const list = members.map(([name, { brief }]) => [name.padEnd(longest), brief] as const);
      return section(group, rows(list, page), page);
    }),
    ...section("Names of images", rows(imageNames, page, 40), page),
    ...section(
      "Examples",
      topExamples.map((line) => `$ ${line}`),
      page,
    ),
    ...section("Exit codes", wrap(exitCodes, page.width - 2), page),
    "",
    ...wrap("`gantry COMMAND --help` shows the flags and examples of a command.", page.width),
    ...wrap("docs/cli.md in the source code describes all commands.", page.width),
  ];
  return `${lines.join("\n")}\n`;
}

/** The page of a command that consists of others, such as `images`. */
export function renderFamily(
  name: string,
  family: { readonly brief: string; readonly standard: string },
  members: readonly CommandHelp[],
  page: Page,
): string {
  const list = members.map((member) => [member.name.slice(name.length + 1), member.brief] as const);
  const lines = [
    `${page.style.bold("Usage:")} gantry ${name} [COMMAND] [flags] [arguments]`,
    "",
    ...wrap(`${family.brief}. Without COMMAND it runs \`gantry ${name} ${family.standard}\`.`, page.width),
    ...section("Commands", rows(list, page), page),
    ...section(
      "Examples",
      members.map(({ examples }) => `$ ${examples[0]!.line}`),
      page,
    ),
    "",
    ...wrap(`\`gantry ${name} COMMAND --help\` shows the flags of a command.`, page.width),
  ];
  return `${lines.join("\n")}\n`;
}

/** The page of one command. */
export function renderCommand(help: CommandHelp, page: Page): string {
  const { width, style } = page;
  const paragraphs = help.details === undefined ? [] : help.details.split(/\n\s*\n/);
  const groups = [...new Set(help.flags.flatMap(({ group }) => group ?? []))];
  // The explanations of all flags begin in one column, under all headings.
  const longest = Math.max(...help.flags.map((flag) => termOf(flag).length).filter((length) => length <= LONGEST_TERM));
  const flags = (group: string | undefined): string[] =>
    rows(
      help.flags
        .filter((flag) => flag.group === group)
        .map((flag) => [termOf(flag).padEnd(longest), explain(flag)] as const),
      page,
    );
  const lines = [
    `${style.bold("Usage:")} ${help.usage}`,
    "",
    ...wrap(`${help.brief}.`, width),
    ...paragraphs.flatMap((paragraph) => ["", ...wrap(paragraph, width)]),
    ...section(
      "Arguments",
      rows(
        help.arguments.map(({ name, brief }) => [name, brief] as const),
        page,
      ),
      page,
    ),
    ...section("Flags", flags(undefined), page),
    ...groups.flatMap((group) => section(`${group} flags`, flags(group), page)),
    ...section(
      "Examples",
      help.examples
        .flatMap(({ purpose, line }) => ["", ...wrap(purpose, width - 4).map((text) => `# ${text}`), `$ ${line}`])
        .slice(1),
      page,
    ),
  ];
  return `${lines.join("\n")}\n`;
}

/** `-u, --username NAME` */
function termOf({ short, name, placeholder }: FlagHelp): string {
  return `${short === undefined ? "" : `${short}, `}${name}${placeholder === undefined ? "" : ` ${placeholder}`}`;
}

/** What a flag does, with the words that it takes, its default, and whether it may be repeated. */
function explain({ brief, values, default: standard, repeatable }: FlagHelp): string {
  let text = brief;
  if (values) text += `. One of ${values.join(", ")}`;
  if (standard !== undefined) text += ` (default: ${standard})`;
  return repeatable ? `${text}. May be repeated` : text;
}
