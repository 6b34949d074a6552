import { spawn } from "node:child_process";
import { GantryError } from "../base/error.ts";
import { printable } from "../base/text.ts";
import { isObject } from "../spec/schema.ts";
import { redactText } from "../transport/redact.ts";
import { type Credential, secretFault, usernameFault } from "./credentials.ts";

/** How long a helper may take; some ask the user a question. Milliseconds. */
const TIMEOUT_MS = 60_000;
const MAX_OUTPUT = 1 << 20;

const failed = (program: string, why: string): GantryError<"HELPER_FAILED"> =>
  new GantryError("HELPER_FAILED", `the credential helper ${program} ${why}`, { details: { helper: program } });

/** Whether a name is safe to run: it is no path, no option, and not too long for the name of a file. */
export const isHelperName = (name: string): boolean => /^[A-Za-z0-9][A-Za-z0-9-]{0,199}$/.test(name);

/**
 * Runs `docker-credential-NAME ACTION` (Docker's credential helper protocol) without a shell, with `input` on stdin.
 * @throws HELPER_FAILED
 */
async function runHelper(
  name: string,
  action: "get" | "store" | "erase",
  input: string,
  signal?: AbortSignal,
): Promise<{ code: number; output: string; said: string }> {
  const program = `docker-credential-${name}`;
  if (!isHelperName(name))
    throw failed(
      printable(program).slice(0, 80),
      "has a name with other characters than letters, digits and hyphens, or a name that is too long",
    );
  signal?.throwIfAborted();
  return new Promise((resolve, reject) => {
    const child = spawn(program, [action], { stdio: ["pipe", "pipe", "pipe"], shell: false, windowsHide: true });
    const chunks: Buffer[] = [];
    let size = 0;
    const stop = (error: unknown): void => {
      child.kill("SIGKILL");
      // A child of the helper may outlive it and keep the pipes open; this process must not wait for the child.
      for (const stream of [child.stdin, child.stdout, child.stderr]) stream.destroy();
      child.unref();
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
      reject(error);
    };
    const timer = setTimeout(() => stop(failed(program, `did not answer within ${TIMEOUT_MS / 1000} s`)), TIMEOUT_MS);
    const onAbort = (): void => stop(signal?.reason);
    signal?.addEventListener("abort", onAbort, { once: true });
    child.stdout.on("data", (chunk: Buffer) => {
      size += chunk.length;
      if (size > MAX_OUTPUT) stop(failed(program, `wrote more than ${MAX_OUTPUT} bytes`));
      else chunks.push(chunk);
    });
    // The protocol reports errors on stdout. The end of stderr is kept for the message.
    let said = "";
    child.stderr.on("data", (chunk: Buffer) => {
      said = `${said}${chunk}`.slice(-500);
    });
    child.stdin.on("error", () => {});
    child.on("error", (error: NodeJS.ErrnoException) => {
      stop(
        failed(
          program,
          error.code === "ENOENT"
            ? "is named in the configuration, but is not in PATH"
            : `cannot run: ${error.message}`,
        ),
      );
    });
    child.on("close", (code) => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
      resolve({ code: code ?? 1, output: Buffer.concat(chunks).toString("utf8"), said });
    });
    child.stdin.end(input);
  });
}

/** The output of a helper that failed, for a message. */
const shownOutput = (output: string, said: string): string =>
  printable(redactText(`${output.trim()} ${said.trim()}`.trim())).slice(0, 300) || "it wrote nothing";

/** A server name that a helper reads as one line. @throws INVALID_REFERENCE */
function serverName(server: string): string {
  if (/^[A-Za-z0-9.:/_@%[\]-]+$/.test(server)) return server;
  throw new GantryError("INVALID_REFERENCE", `${JSON.stringify(server)} is not the name of a registry`);
}

/** The credential that a helper has for a server; undefined where it has none. @throws HELPER_FAILED, INVALID_REFERENCE */
export async function askHelper(name: string, server: string, signal?: AbortSignal): Promise<Credential | undefined> {
  const { code, output, said } = await runHelper(name, "get", serverName(server), signal);
  const from = `docker-credential-${name}`;
  if (code !== 0) {
    if (knowsNothing(output)) return undefined;
    throw failed(from, `ended with ${code}: ${shownOutput(output, said)}`);
  }
  let value: unknown;
  try {
    value = JSON.parse(output);
  } catch {
    throw failed(from, "answered with something that is not JSON");
  }
  const { Username: username, Secret: secret } = isObject(value) ? value : {};
  if (typeof username !== "string" || typeof secret !== "string")
    throw failed(from, "answered without Username and Secret");
  if (secret === "") return undefined;
  for (const [field, fault] of [
    ["Username", usernameFault(username)],
    ["Secret", secretFault(secret)],
  ] as const) {
    if (fault !== undefined) throw failed(from, `answered with a ${field} that ${fault}; store it again`);
  }
  if (username === "<token>" || username === "") return { kind: "identity", token: secret, from };
  return { kind: "password", username, password: secret, from };
}

/** Stores a password in a helper. @throws HELPER_FAILED, INVALID_REFERENCE */
export async function storeInHelper(name: string, server: string, username: string, password: string): Promise<void> {
  const entry = JSON.stringify({ ServerURL: serverName(server), Username: username, Secret: password });
  const { code, output, said } = await runHelper(name, "store", entry);
  if (code !== 0) throw failed(`docker-credential-${name}`, `did not store the password: ${shownOutput(output, said)}`);
}

/** Erases a server from a helper; a server that it does not know is no error. @throws HELPER_FAILED, INVALID_REFERENCE */
export async function eraseInHelper(name: string, server: string): Promise<void> {
  const { code, output, said } = await runHelper(name, "erase", serverName(server));
  if (code === 0 || knowsNothing(output)) return;
  throw failed(`docker-credential-${name}`, `did not erase the password: ${shownOutput(output, said)}`);
}

/** Whether the output of a helper is the answer of the protocol for an unknown server; any other one is a failure. */
const knowsNothing = (output: string): boolean => /credentials not found in native keychain/i.test(output);
