import { spawn } from "node:child_process";
import { onTestFinished } from "vitest";

/** A mount namespace with a shell in it. Its mounts are visible to no other process, and end with it. */
export interface MountNamespace {
  /** The path, outside the namespace, of a path inside it. */
  at(path: string): string;
  /** Runs a bash script in the namespace. Throws its stderr if it fails. */
  run(script: string): Promise<void>;
}

/** Starts a namespace that lives until the test ends. Needs root. */
export async function mountNamespace(): Promise<MountNamespace> {
  const shell = spawn("unshare", ["--mount", "bash", "--norc"], { env: { ...process.env, LC_ALL: "C" } });
  onTestFinished(() => void shell.kill("SIGKILL"));
  let said = "";
  let settle: ((code: number | undefined) => void) | undefined;
  const end = (code: number | undefined): void => {
    settle?.(code);
    settle = undefined;
  };
  shell.stdin.on("error", () => end(undefined));
  shell.on("error", () => end(undefined)).on("close", () => end(undefined));
  shell.stderr.on("data", (data: Buffer) => {
    said += data.toString("latin1");
  });
  shell.stdout.on("data", (data: Buffer) => {
    said += data.toString("latin1");
    const answer = /\0(\d+)\0$/.exec(said);
    if (answer) end(Number(answer[1]));
  });
  const run = async (script: string): Promise<void> => {
    said = "";
    const code = await new Promise<number | undefined>((resolve) => {
      settle = resolve;
      shell.stdin.write(`(\nset -e\n${script}\n) </dev/null 2>&1; printf '\\0%d\\0' $?\n`, "latin1");
    });
    if (code !== 0) throw new Error(`in the mount namespace: ${script}: ${code ?? "the shell ended"}: ${said}`);
  };
  await run("true");
  return { at: (path) => `/proc/${shell.pid}/root${path}`, run };
}

/** Quotes a path of any bytes for bash; one character of `path` is one byte. */
export function quoted(path: string): string {
  const byte = (character: string): string => `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`;
  return `$'${path.replace(/[^\w./-]/g, byte)}'`;
}
