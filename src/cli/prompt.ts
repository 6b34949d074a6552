import { createInterface } from "node:readline";
import { Writable } from "node:stream";
import { GantryError } from "../base/error.ts";

export interface Question {
  readonly prompt: string;
  /** Whether the typed text is hidden. */
  readonly hidden?: boolean | undefined;
}

export interface Terminal {
  readonly stdin: NodeJS.ReadStream;
  readonly stderr: NodeJS.WriteStream;
}

/** Whether there is a terminal to ask on. */
export const canAsk = ({ stdin, stderr }: Terminal): boolean => stdin.isTTY === true && stderr.isTTY === true;

/**
 * Asks questions on the terminal, one after the other. Each line is handled as soon as it arrives: when two lines are
 * pasted at once, the second, a password, must already be hidden.
 * @throws USAGE if the input ends before the last answer; the signal's reason
 */
export function ask(questions: readonly Question[], terminal: Terminal, signal: AbortSignal): Promise<string[]> {
  const { stdin, stderr } = terminal;
  return new Promise((resolve, reject) => {
    const answers: string[] = [];
    let hidden = false;
    const output = new Writable({
      write(chunk, _encoding, done) {
        if (!hidden) stderr.write(chunk);
        done();
      },
    });
    // With `terminal`, readline echoes the typed text, and the terminal does not.
    const lines = createInterface({ input: stdin, output, terminal: true, historySize: 0 });
    const end = (settle: () => void): void => {
      signal.removeEventListener("abort", onAbort);
      lines.removeAllListeners("close").close();
      settle();
    };
    const onAbort = (): void => {
      stderr.write("\n");
      end(() => reject(signal.reason));
    };
    const askNext = (): void => {
      const question = questions[answers.length];
      if (!question) return end(() => resolve(answers));
      hidden = false;
      lines.setPrompt(question.prompt);
      lines.prompt();
      hidden = question.hidden ?? false;
    };
    lines.on("line", (line) => {
      if (answers.length === questions.length) return;
      answers.push(line);
      if (hidden) stderr.write("\n");
      askNext();
    });
    // The terminal sends no signals while readline controls it.
    lines.on("SIGINT", () => void process.kill(process.pid, "SIGINT"));
    lines.on("close", () => {
      stderr.write("\n");
      end(() => reject(new GantryError("USAGE", "the input ended before all questions were answered")));
    });
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
    else askNext();
  });
}
