import type { Location } from "../../verbs/location.ts";
import { manifest } from "../../verbs/look.ts";
import { type Context, defineCommand } from "../command.ts";
import { contentHelp, documentOf, type LookFlags, locationArgument, lookFlags, lookOptions } from "../look.ts";
import { session } from "../session.ts";

export const manifestCommand = defineCommand({
  details: `${contentHelp} With --json, prints one JSON document with the manifest and its descriptor.

If the name leads to an index, prints the index; with --platform, prints the manifest for that platform.`,
  examples: [
    ["Print the manifest or index that a tag names", "gantry manifest alpine:3.20"],
    ["Print the manifest for one platform", "gantry manifest --platform linux/arm64 alpine:3.20"],
  ],
  parameters: { flags: lookFlags, positional: locationArgument },
  func(this: Context, flags: LookFlags, location: Location) {
    return session(this, flags, async (io) => {
      const { descriptor, bytes } = await manifest(location, lookOptions(flags, io));
      if (flags.json) io.json({ descriptor, manifest: documentOf(bytes, `the manifest of ${location.text}`) });
      else await io.content(bytes);
    });
  },
});
