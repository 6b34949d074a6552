import { type ApplicationContext, buildApplication, run, text_en } from "@stricli/core";
import { exitCodeOf } from "../base/error.ts";
import type { Context } from "./command.ts";
import { describeError } from "./describe-error.ts";
import type { ResolvedCommand } from "./resolve.ts";
import { usageError } from "./usage.ts";

/** Parses the arguments of a command and runs it. */
export async function runCommand(
  { path, entry }: ResolvedCommand,
  args: readonly string[],
  context: Context,
): Promise<void> {
  const defined = await entry.load();
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
