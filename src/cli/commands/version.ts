import { buildCommand, type Command } from "@stricli/core";
import { version } from "../../base/version.ts";
import type { Context } from "../context.ts";
import { jsonFlag } from "../flags.ts";
import { session } from "../session.ts";

export const versionCommand: Command<Context> = buildCommand({
  docs: { brief: "Print the version" },
  parameters: { flags: { json: jsonFlag } },
  func(this: Context, flags: { json: boolean }) {
    return session(this, {}, async ({ print, json }) => {
      if (flags.json) json({ version, node: process.version });
      else print(`gantry ${version}\n`);
    });
  },
});
