import {
  type Application,
  type ApplicationContext,
  buildApplication,
  buildRouteMap,
  run,
  text_en,
} from "@stricli/core";
import { exitCodeOf, GantryError, isGantryError, messageOf } from "../base/error.ts";
import { printable, printableText } from "../base/text.ts";
import { commands } from "./commands.ts";
import type { Context } from "./context.ts";
import { asksForHelp, wrapHelp } from "./help.ts";
import { usageError } from "./usage.ts";

/** Stricli's own exit codes for unknown commands and bad arguments are negative; ours is 2. */
const USAGE_EXIT = 2;

async function application(argv: readonly string[]): Promise<Application<Context>> {
  const asked = argv[0] ?? "";
  // One command needs one chunk; help and unknown names need them all.
  const names = Object.hasOwn(commands, asked) ? [asked] : Object.keys(commands);
  const loaded = await Promise.all(
    names.map(async (name) => [name, await commands[name]!(name === asked ? argv[1] : undefined)] as const),
  );
  const root = buildRouteMap<string, Context>({
    routes: Object.fromEntries(loaded),
    docs: {
      brief: "OCI images: from a registry to verified bytes, a root filesystem, and back",
      fullDescription: [
        "Moves, verifies, looks at and unpacks OCI and Docker images.",
        "",
        "Images are named the same way everywhere:",
        "  alpine:3.20  ghcr.io/o/r@sha256:...  docker://REF    in a registry",
        "  oci:DIR[[:REPO]:TAG|@DIGEST]                         in an OCI image layout",
        "  store:NAME                                           in the local store",
        "",
        "Exit codes: 0 done, 1 failed, 2 usage, 3 not found, 4 not authorised,",
        "5 verification failed, 6 limit exceeded, 128+n ended by signal n.",
      ].join("\n"),
    },
  });
  return buildApplication(root, {
    name: "gantry",
    scanner: { caseStyle: "allow-kebab-for-camel", allowArgumentEscapeSequence: true },
    documentation: { caseStyle: "convert-camel-to-kebab", disableAnsiColor: true },
    determineExitCode: exitCodeOf,
    localization: {
      text: {
        ...text_en,
        exceptionWhileRunningCommand: describeError,
        exceptionWhileParsingArguments: (error) => usageError(argv, error),
        noCommandRegisteredForInput: ({ input, corrections }) =>
          `gantry: there is no command ${printable(input)}${corrections.length > 0 ? `; did you mean ${corrections.join(", ")}?` : ""} See gantry --help`,
      },
    },
  });
}

function describeError(error: unknown): string {
  if (!isGantryError(error)) {
    const detail = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return `gantry: internal error, please report it: ${printable(messageOf(error))}\n${printableText(detail)}`;
  }
  const side = error.origin === "source" || error.origin === "destination" ? `${error.origin}: ` : "";
  return `gantry: ${side}${printable(error.message)} [${error.code}]`;
}

/** The process with a stdout that breaks lines of help. */
function wrapping(own: NodeJS.Process): NodeJS.Process {
  const write = (text: string): boolean => own.stdout.write(wrapHelp(text));
  return Object.create(own, { stdout: { value: Object.create(own.stdout, { write: { value: write } }) } });
}

export async function main(argv: readonly string[]): Promise<void> {
  const stop = new AbortController();
  let signalled: NodeJS.Signals | undefined;
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, () => {
      signalled = signal;
      stop.abort(new GantryError("TRANSFER_INTERRUPTED", `ended by ${signal}`));
    });
  }
  // Whoever reads our output may have enough of it: `gantry ls | head`.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(0);
    process.stderr.write(`gantry: writing to stdout: ${printable(error.message)}\n`);
    process.exit(1);
  });
  const context: Context = { process: asksForHelp(argv) ? wrapping(process) : process, signal: stop.signal };
  // An exit code that is not set yet is undefined in Node's types, and null in stricli's.
  await run(await application(argv), argv, context as Context & ApplicationContext);
  const code = Number(process.exitCode ?? 0);
  if (signalled) process.exitCode = signalled === "SIGINT" ? 130 : 143;
  else if (code < 0 || code > 255) process.exitCode = USAGE_EXIT;
}
