import { version } from "../../base/version.ts";
import { type Context, defineCommand } from "../command.ts";
import { jsonFlag } from "../flags.ts";
import { session } from "../session.ts";

export const versionCommand = defineCommand({
  details: "With --json, also prints the version of Node.",
  examples: [["Print the version", "gantry version"]],
  parameters: { flags: { json: jsonFlag } },
  func(this: Context, flags: { json: boolean }) {
    return session(this, {}, async ({ print, json }) => {
      if (flags.json) json({ version, node: process.version });
      else print(`gantry ${version}\n`);
    });
  },
});
