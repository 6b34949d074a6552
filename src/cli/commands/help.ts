import { type Context, defineCommand } from "../command.ts";
import { jsonFlag } from "../flags.ts";
import { helpData, helpText } from "../help/show.ts";
import { session } from "../session.ts";

export const helpCommand = defineCommand({
  details: "Prints the same as `gantry COMMAND --help`.",
  examples: [
    ["Show the flags and examples of a command", "gantry help pull"],
    ["Every command with its flags, for programs", "gantry help --json"],
  ],
  parameters: {
    flags: { json: jsonFlag },
    positional: {
      kind: "array",
      parameter: { parse: String, brief: "The command (default: a list of all commands)", placeholder: "COMMAND" },
    },
  },
  func(this: Context, flags: { readonly json: boolean }, ...words: string[]) {
    return session(this, {}, async ({ print, json }) => {
      if (flags.json) json(await helpData(words, this.commands));
      else print(await helpText(words, this.commands, this.process.stdout));
    });
  },
});
