import { type ApplicationContext, buildApplication, run, text_en } from "@stricli/core";
import { exitCodeOf, GantryError, isGantryError, messageOf } from "../base/error.ts";
import { printable, printableText } from "../base/text.ts";
import type { Context, DefinedCommand } from "./command.ts";
import { commands } from "./commands.ts";
import { asksForHelp, type ResolvedCommand, resolveCommand } from "./resolve.ts";
import { styleOf } from "./style.ts";
import { usageError } from "./usage.ts";

/** Stricli's own exit codes for bad arguments are negative; ours is 2. */
const USAGE_EXIT = 2;

export async function main(argv: readonly string[]): Promise<void> {
  const stop = new AbortController();
  let signalled: NodeJS.Signals | undefined;
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, () => {
      signalled = signal;
      stop.abort(new GantryError("TRANSFER_INTERRUPTED", `ended by ${signal}`));
    });
  }
  // The program that reads our output may have read enough: `gantry ls | head`.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(0);
    process.stderr.write(`gantry: writing to stdout: ${printable(error.message)}\n`);
    process.exit(1);
  });
  await dispatch(argv, { process, signal: stop.signal, commands });
  const code = Number(process.exitCode ?? 0);
  if (signalled) process.exitCode = signalled === "SIGINT" ? 130 : 143;
  else if (code < 0 || code > 255) process.exitCode = USAGE_EXIT;
}

/** Shows help, completes a word, or runs a command. */
async function dispatch(argv: readonly string[], context: Context): Promise<void> {
  try {
    if (argv[0] === "__complete") {
      const { complete } = await import("./completion/complete.ts");
      process.stdout.write(await complete(argv.slice(1), commands));
      return;
    }
    if (asksForHelp(argv)) {
      const { helpText } = await import("./help/show.ts");
      process.stdout.write(await helpText(namesIn(argv), commands, process.stdout));
      return;
    }
    const found = resolveCommand(argv, commands)!;
    if ("entry" in found) await runCommand(found, argv.slice(found.path.length), context);
    else {
      const entry = found.family.commands[found.family.standard]!;
      await runCommand({ path: found.path, entry }, argv.slice(1), context);
    }
  } catch (error) {
    process.stderr.write(`${describeError(error)}\n`);
    process.exitCode = exitCodeOf(error);
  }
}

/** The words before the first flag; those after it may be values of flags. */
function namesIn(argv: readonly string[]): readonly string[] {
  const words = argv.slice(argv.findIndex((word) => !word.startsWith("-")));
  const end = words.findIndex((word) => word.startsWith("-"));
  return end < 0 ? words : words.slice(0, end);
}

async function runCommand({ path, entry }: ResolvedCommand, args: readonly string[], context: Context): Promise<void> {
  const defined: DefinedCommand = await entry.load();
  const application = buildApplication<Context>(
    defined.command,
    {
      name: `gantry ${path.join(" ")}`,
      scanner: { caseStyle: "allow-kebab-for-camel", allowArgumentEscapeSequence: true },
      documentation: { disableAnsiColor: true },
      determineExitCode: exitCodeOf,
      localization: {
        text: {
          ...text_en,
          exceptionWhileRunningCommand: describeError,
          exceptionWhileParsingArguments: (error) => usageError(path, defined.examples[0][1], error),
        },
      },
    },
    // Without stricli's own --help: the help is ours.
    {},
  );
  // An exit code that is not set yet is undefined in Node's types, and null in stricli's.
  await run(application, args, context as Context & ApplicationContext);
}

function describeError(error: unknown): string {
  const gantry = styleOf(process.stderr).red("gantry:");
  if (!isGantryError(error)) {
    const detail = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return `${gantry} internal error, please report it: ${printable(messageOf(error))}\n${printableText(detail)}`;
  }
  const side = error.origin === "source" || error.origin === "destination" ? `${error.origin}: ` : "";
  return `${gantry} ${side}${printable(error.message)} [${error.code}]`;
}
