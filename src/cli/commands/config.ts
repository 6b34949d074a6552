import { buildCommand, type Command } from "@stricli/core";
import { config } from "../../verbs/inspect.ts";
import type { Context } from "../context.ts";
import { type LookFlags, locationArgument, lookFlags, lookOptions } from "../look.ts";
import { session } from "../session.ts";

export const configCommand: Command<Context> = buildCommand({
  docs: {
    brief: "Print the image configuration, byte for byte",
    fullDescription:
      "Of the image for --platform, by default for this machine. With --json: the same, with its descriptor.",
  },
  parameters: { flags: lookFlags, positional: locationArgument },
  func(this: Context, flags: LookFlags, location: string) {
    return session(this, flags, async (io) => {
      const { descriptor, bytes } = await config(location, lookOptions(flags, io));
      if (flags.json) io.json({ descriptor, config: JSON.parse(bytes.toString("utf8")) });
      else io.print(bytes);
    });
  },
});
