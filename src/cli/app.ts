import { exitCodeOf, GantryError } from "../base/error.ts";
import { printable } from "../base/text.ts";
import type { Context } from "./command.ts";
import { commands } from "./commands.ts";
import { describeError } from "./describe-error.ts";
import { asksForHelp, resolveCommand } from "./resolve.ts";

/** The parser's own exit codes for bad arguments are negative; ours is 2. */
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
  // The program that reads our output may end early: `gantry ls | head`.
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

/** Shows help, completes a word, or runs a command. Only the last of them loads the parser and the engine. */
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
    const { runCommand } = await import("./run.ts");
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
