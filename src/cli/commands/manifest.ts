import { buildCommand, type Command } from "@stricli/core";
import type { Location } from "../../verbs/location.ts";
import { manifest } from "../../verbs/look.ts";
import type { Context } from "../context.ts";
import { contentHelp, documentOf, type LookFlags, locationArgument, lookFlags, lookOptions } from "../look.ts";
import { session } from "../session.ts";

export const manifestCommand: Command<Context> = buildCommand({
  docs: {
    brief: "Print the manifest or index, byte for byte",
    fullDescription: `With --platform: the manifest of that image of an index. With --json: the same, with its descriptor. ${contentHelp}`,
  },
  parameters: { flags: lookFlags, positional: locationArgument },
  func(this: Context, flags: LookFlags, location: Location) {
    return session(this, flags, async (io) => {
      const { descriptor, bytes } = await manifest(location, lookOptions(flags, io));
      if (flags.json) io.json({ descriptor, manifest: documentOf(bytes, `the manifest of ${location.text}`) });
      else await io.content(bytes);
    });
  },
});
