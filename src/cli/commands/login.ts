import { buildCommand, type Command } from "@stricli/core";
import { GantryError } from "../../base/error.ts";
import { printable } from "../../base/text.ts";
import { login, registryHost } from "../../verbs/login.ts";
import type { Context } from "../context.ts";
import { debugFlag, jsonFlag, limitFlag, limitsOf, type RemoteFlags, registryOptions, remoteFlags } from "../flags.ts";
import { ask, canAsk } from "../prompt.ts";
import { session } from "../session.ts";

interface Flags extends RemoteFlags {
  readonly limit?: readonly string[] | undefined;
  readonly username?: string | undefined;
  readonly passwordStdin: boolean;
  readonly json: boolean;
  readonly debug: boolean;
}

const MAX_PASSWORD = 64 << 10;

export const loginCommand: Command<Context> = buildCommand({
  docs: {
    brief: "Log in to a registry, and keep the password where Docker does",
    fullDescription:
      "On a terminal it asks for the user name and the password; elsewhere they come by --username and --password-stdin. The password is kept only if the registry accepts it: by the credential helper that Docker's config.json names, else in that file. DOCKER_CONFIG names another directory for it.",
  },
  parameters: {
    flags: {
      username: { kind: "parsed", parse: String, brief: "The user name", placeholder: "NAME", optional: true },
      passwordStdin: {
        kind: "boolean",
        brief: "Read the password from stdin; it is never an argument, which others can see",
        default: false,
        withNegated: false,
      },
      ...remoteFlags,
      limit: limitFlag,
      json: jsonFlag,
      debug: debugFlag,
    },
    aliases: { u: "username" },
    positional: {
      kind: "tuple",
      parameters: [{ parse: String, brief: "The registry (default: docker.io)", placeholder: "HOST", optional: true }],
    },
  },
  func(this: Context, flags: Flags, given?: string) {
    return session(this, flags, async ({ signal, progress, debug, print, json }) => {
      const host = registryHost(given ?? "docker.io");
      const { credentials: _stored, ...registry } = registryOptions(flags, debug);
      const result = await login(host, {
        ...(await whoAsks(host, flags, this.process, signal)),
        file: flags.authFile,
        registry,
        limits: limitsOf(flags.limit),
        signal,
        progress,
      });
      if (!result.checked) {
        this.process.stderr.write(
          `warning: ${result.host} did not ask for a password, so nobody has checked this one\n`,
        );
      }
      if (result.plain) {
        this.process.stderr.write(
          `warning: the password is in ${result.where}, not encrypted; a credential helper (credsStore) would keep it better\n`,
        );
      }
      if (flags.json) json(result);
      else print(`logged in to ${result.host}\n`);
    });
  },
});

/** The name and the password: from flag and stdin, else asked for on the terminal. @throws USAGE */
async function whoAsks(
  host: string,
  { username, passwordStdin }: Flags,
  terminal: NodeJS.Process,
  signal: AbortSignal,
): Promise<{ readonly username: string; readonly password: string }> {
  if (canAsk(terminal)) {
    const [first = "", second] = await ask(
      [
        ...(username === undefined ? [{ prompt: `Username for ${host}: ` }] : []),
        { prompt: `Password for ${username === undefined ? "" : `${printable(username)} at `}${host}: `, hidden: true },
      ],
      terminal,
      signal,
    );
    return second === undefined ? { username: username ?? "", password: first } : { username: first, password: second };
  }
  if (username !== undefined && passwordStdin) return { username, password: await readPassword(terminal.stdin) };
  throw new GantryError(
    "USAGE",
    `there is no terminal to ask on: name the user with --username and pipe the password in with --password-stdin, as in echo "$TOKEN" | gantry login --username NAME --password-stdin ${host}`,
  );
}

async function readPassword(stdin: AsyncIterable<Buffer | string>): Promise<string> {
  let text = "";
  for await (const chunk of stdin) {
    text += chunk.toString();
    if (text.length > MAX_PASSWORD) throw new GantryError("USAGE", "the password on stdin is longer than 64 KiB");
  }
  return text.replace(/\r?\n$/, "");
}
