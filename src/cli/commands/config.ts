import type { Location } from "../../verbs/location.ts";
import { config } from "../../verbs/look.ts";
import { type Context, defineCommand } from "../command.ts";
import { contentHelp, documentOf, type LookFlags, locationArgument, lookFlags, lookOptions } from "../look.ts";
import { session } from "../session.ts";

export const configCommand = defineCommand({
  details: `${contentHelp} With --json, prints one JSON document with the configuration and its descriptor.

Without --platform, prints the configuration for this machine.`,
  examples: [
    ["Print the configuration for this machine", "gantry config alpine:3.20"],
    ["Print the configuration for another platform", "gantry config --platform linux/arm64 alpine:3.20"],
  ],
  parameters: { flags: lookFlags, positional: locationArgument },
  func(this: Context, flags: LookFlags, location: Location) {
    return session(this, flags, async (io) => {
      const { descriptor, bytes } = await config(location, lookOptions(flags, io));
      if (flags.json) io.json({ descriptor, config: documentOf(bytes, `the configuration of ${location.text}`) });
      else await io.content(bytes);
    });
  },
});
