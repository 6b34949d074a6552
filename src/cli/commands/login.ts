import { GantryError } from "../../base/error.ts";
import { printable } from "../../base/text.ts";
import { login, registryHost } from "../../verbs/login.ts";
import { type Context, defineCommand } from "../command.ts";
import { on, text } from "../flag-kinds.ts";
import { debugFlag, jsonFlag, type RemoteFlags, remoteFlags, storeFlags } from "../flags.ts";
import { limitsOf, registryOptions } from "../options.ts";
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

export const loginCommand = defineCommand({
  details: `On a terminal it asks for the user name and the password. In scripts, pass --username and --password-stdin.

The password is stored only if the registry accepts it. It is stored where Docker stores it: in the credential helper that config.json names, else in config.json itself (in ~/.docker or $DOCKER_CONFIG). --auth-file and $REGISTRY_AUTH_FILE name another file.`,
  examples: [
    ["Log in from a script", 'echo "$TOKEN" | gantry login -u NAME --password-stdin registry.example'],
    ["Log in on a terminal", "gantry login registry.example"],
    ["Log in to Docker Hub", "gantry login"],
  ],
  parameters: {
    flags: {
      username: text("The user name", "NAME"),
      passwordStdin: on("Read the password from stdin. No flag takes the password itself: other users could see it"),
      ...remoteFlags,
      limit: storeFlags.limit,
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
        ...(await askedLogin(host, flags, this.process, signal)),
        file: flags.authFile,
        registry,
        limits: limitsOf(flags.limit),
        signal,
        progress,
      });
      const warn = (text: string): void => progress({ type: "message", level: "warning", text });
      if (!result.checked) warn(`${result.host} did not ask for a password, so this one was not verified`);
      if (result.plain)
        warn(`the password is in ${result.where}, not encrypted; a credential helper (credsStore) is safer`);
      if (flags.json) json(result);
      else print(`logged in to ${result.host}\n`);
    });
  },
});

/** The user name and the password: from flag and stdin, else typed on the terminal. @throws USAGE */
async function askedLogin(
  host: string,
  { username, passwordStdin }: Flags,
  terminal: NodeJS.Process,
  signal: AbortSignal,
): Promise<{ readonly username: string; readonly password: string }> {
  if (canAsk(terminal)) {
    if (username !== undefined) {
      const question = { prompt: `Password for ${printable(username)} at ${host}: `, hidden: true };
      const [password = ""] = await ask([question], terminal, signal);
      return { username, password };
    }
    const questions = [{ prompt: `Username for ${host}: ` }, { prompt: `Password for ${host}: `, hidden: true }];
    const [typed = "", password = ""] = await ask(questions, terminal, signal);
    return { username: typed, password };
  }
  if (username !== undefined && passwordStdin) return { username, password: await readPassword(terminal.stdin) };
  throw new GantryError(
    "USAGE",
    `there is no terminal to ask on: give the user name with --username and the password on stdin, as in echo "$TOKEN" | gantry login --username NAME --password-stdin ${host}`,
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
