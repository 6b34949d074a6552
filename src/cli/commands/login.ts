import { buildCommand, type Command } from "@stricli/core";
import { GantryError } from "../../base/error.ts";
import { login } from "../../verbs/login.ts";
import type { Context } from "../context.ts";
import { lazyRoutes } from "../credentials.ts";
import { debugFlag, jsonFlag, limitFlag, limitsOf, type RemoteFlags, remoteFlags } from "../flags.ts";
import { session } from "../session.ts";

interface Flags extends RemoteFlags {
  readonly limit?: readonly string[] | undefined;
  readonly username: string;
  readonly passwordStdin: boolean;
  readonly json: boolean;
  readonly debug: boolean;
}

const MAX_PASSWORD = 64 << 10;

export const loginCommand: Command<Context> = buildCommand({
  docs: {
    brief: "Log in to a registry, and keep the password where Docker does",
    fullDescription:
      "The password is read from stdin. It is kept only if the registry accepts it: by the credential helper that Docker's config.json names, else in that file. DOCKER_CONFIG names another directory for it.",
  },
  parameters: {
    flags: {
      username: { kind: "parsed", parse: String, brief: "The user name", placeholder: "NAME" },
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
  func(this: Context, flags: Flags, host?: string) {
    return session(this, flags, async ({ signal, progress, debug, print, json }) => {
      if (!flags.passwordStdin) {
        throw new GantryError("USAGE", "say --password-stdin and pipe the password in: echo $TOKEN | gantry login ...");
      }
      const result = await login(host ?? "docker.io", {
        username: flags.username,
        password: await readPassword(this.process.stdin),
        file: flags.authFile,
        registry: {
          insecure: flags.insecure,
          caFiles: flags.caFile,
          trustedRealms: flags.trustRealm,
          routes: lazyRoutes(),
          debug,
        },
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

async function readPassword(stdin: AsyncIterable<Buffer | string>): Promise<string> {
  let text = "";
  for await (const chunk of stdin) {
    text += chunk.toString();
    if (text.length > MAX_PASSWORD) throw new GantryError("USAGE", "the password on stdin is longer than 64 KiB");
  }
  return text.replace(/\r?\n$/, "");
}
