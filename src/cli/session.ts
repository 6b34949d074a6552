import { once } from "node:events";
import { StringDecoder } from "node:string_decoder";
import { GantryError, isGantryError } from "../base/error.ts";
import type { Progress } from "../base/progress.ts";
import { printable, printableJson, printableText } from "../base/text.ts";
import type { Context } from "./command.ts";
import { type ProgressMode, printer, warnings } from "./progress.ts";

/** What a command works with: where data goes, where progress goes, and when to stop. */
export interface Session {
  readonly signal: AbortSignal;
  readonly progress: Progress;
  readonly debug: ((line: string) => void) | undefined;
  /** The width of the terminal; undefined where stdout is not a terminal, so that nothing may be cut. */
  readonly columns: number | undefined;
  /** Writes data to stdout. */
  print(text: string): void;
  /**
   * Writes content to stdout, byte for byte, as fast as its reader takes it; on a terminal, control characters are
   * escaped. The bytes are only lent.
   */
  content(bytes: Uint8Array): Promise<void>;
  /** Writes one JSON document to stdout. */
  json(value: unknown): void;
  /** Writes the last line of a command to stderr, for people. */
  summary(text: string): void;
  /** Closes a resource when the command ends. */
  use<T extends { close(): Promise<void> }>(resource: T): T;
}

export interface SessionFlags {
  readonly progress?: ProgressMode | undefined;
  readonly debug?: boolean | undefined;
  readonly json?: boolean | undefined;
  /** What remains when the command is interrupted, for the error. */
  readonly remains?: string | undefined;
}

/** What the commands say that keep a partial download or upload. */
export const resumes = "the next run resumes from here";

/** Runs a command's work, with progress on stderr that is erased before anything else is written there. */
export async function session(
  context: Context,
  flags: SessionFlags,
  work: (session: Session) => Promise<void>,
): Promise<void> {
  const { stdout, stderr } = context.process;
  const { progress, end } =
    flags.progress === undefined ? { progress: warnings(stderr), end() {} } : printer(flags.progress, stderr);
  const isForPeople = !flags.json && (flags.progress === "auto" || flags.progress === "plain");
  const print = (text: string): void => void stdout.write(text);
  const decoder = stdout.isTTY ? new StringDecoder("utf8") : undefined;
  const used: { close(): Promise<void> }[] = [];
  try {
    await work({
      signal: context.signal,
      progress,
      debug: flags.debug ? (line) => void stderr.write(`debug: ${printable(line)}\n`) : undefined,
      columns: stdout.isTTY ? stdout.columns || undefined : undefined,
      print,
      async content(bytes) {
        const copy = Buffer.from(bytes);
        const shown = decoder ? printableText(decoder.write(copy)) : copy;
        if (!stdout.write(shown)) await once(stdout, "drain", { signal: context.signal });
      },
      json: (value) => print(`${printableJson(value)}\n`),
      summary(text) {
        end();
        if (isForPeople) stderr.write(`${printable(text)}\n`);
      },
      use(resource) {
        used.push(resource);
        return resource;
      },
    });
  } catch (error) {
    if (!flags.remains || !context.signal.aborted || !isGantryError(error, "TRANSFER_INTERRUPTED")) throw error;
    const { message } = context.signal.reason as GantryError;
    throw new GantryError("TRANSFER_INTERRUPTED", `${message}; ${flags.remains}`, { cause: error });
  } finally {
    if (decoder) print(printableText(decoder.end()));
    end();
    for (const resource of used.reverse()) await resource.close();
  }
}
