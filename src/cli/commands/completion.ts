import { GantryError } from "../../base/error.ts";
import { type Context, defineCommand } from "../command.ts";
import { type Shell, scripts } from "../completion/scripts.ts";
import { session } from "../session.ts";

export const completionCommand = defineCommand({
  details: "The script completes commands, flags, the values of flags, directories and the names in the local store.",
  examples: [
    ["In ~/.bashrc", "source <(gantry completion bash)"],
    ["In ~/.zshrc, after compinit", "source <(gantry completion zsh)"],
    ["In ~/.config/fish/config.fish", "gantry completion fish | source"],
  ],
  parameters: {
    positional: {
      kind: "tuple",
      parameters: [{ parse: parseShell, brief: "bash, zsh or fish", placeholder: "SHELL" }],
    },
  },
  func(this: Context, _flags: object, shell: Shell) {
    return session(this, {}, async ({ print }) => print(scripts[shell]));
  },
});

/** @throws USAGE */
function parseShell(text: string): Shell {
  if (Object.hasOwn(scripts, text)) return text as Shell;
  throw new GantryError(
    "USAGE",
    `there is no completion for ${JSON.stringify(text)}; the supported shells are bash, zsh and fish`,
  );
}
