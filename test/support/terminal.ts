import { spawn } from "node:child_process";
import { main } from "./peers.ts";

const quote = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

/**
 * Runs the built command on a terminal that `script` of util-linux makes. Each input is typed when the text that it
 * answers is on the screen. stdout and stderr are one, as on a screen.
 */
export function onTerminal(
  args: readonly string[],
  options: {
    readonly env?: NodeJS.ProcessEnv;
    readonly columns?: number;
    readonly typed?: readonly (readonly [prompt: string, answer: string])[];
  } = {},
): Promise<{ readonly code: number; readonly screen: string }> {
  const command = `stty cols ${options.columns ?? 80} rows 24; exec ${[process.execPath, main, ...args].map(quote).join(" ")}`;
  return new Promise((resolve, reject) => {
    const child = spawn("script", ["-qec", command, "/dev/null"], {
      env: { ...process.env, TERM: "dumb", ...options.env },
    });
    const timer = setTimeout(() => child.kill("SIGKILL"), 60_000);
    const waiting = [...(options.typed ?? [])];
    let screen = "";
    let seen = 0;
    child.stdout.on("data", (data: Buffer) => {
      screen += data.toString();
      const [next] = waiting;
      const at = next ? screen.indexOf(next[0], seen) : -1;
      if (!next || at < 0) return;
      waiting.shift();
      seen = at + next[0].length;
      child.stdin.write(next[1]);
    });
    child.on("error", reject).on("close", (code) => {
      clearTimeout(timer);
      resolve({ code: code ?? 137, screen: screen.replace(/\r+\n/g, "\n") });
    });
  });
}
