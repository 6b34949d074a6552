import { buildCommand, type Command } from "@stricli/core";
import type { Location } from "../../verbs/location.ts";
import { config } from "../../verbs/look.ts";
import type { Context } from "../context.ts";
import { contentHelp, documentOf, type LookFlags, locationArgument, lookFlags, lookOptions } from "../look.ts";
import { session } from "../session.ts";

export const configCommand: Command<Context> = buildCommand({
  docs: {
    brief: "Print the image configuration, byte for byte",
    fullDescription: `Of the image for --platform, by default for this machine. With --json: the same, with its descriptor. ${contentHelp}`,
  },
  parameters: { flags: lookFlags, positional: locationArgument },
  func(this: Context, flags: LookFlags, location: Location) {
    return session(this, flags, async (io) => {
      const { descriptor, bytes } = await config(location, lookOptions(flags, io));
      if (flags.json) io.json({ descriptor, config: documentOf(bytes, `the configuration of ${location.text}`) });
      else await io.content(bytes);
    });
  },
});
