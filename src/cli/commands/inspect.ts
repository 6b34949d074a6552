import { inspect } from "../../verbs/inspect.ts";
import type { Location } from "../../verbs/location.ts";
import { type Context, defineCommand } from "../command.ts";
import { inspectionLines } from "../inspection.ts";
import { type LookFlags, locationArgument, lookFlags, lookOptions } from "../look.ts";
import { session } from "../session.ts";
import { fitLine } from "../table.ts";

export const inspectCommand = defineCommand({
  details:
    "Shows a tree: for each platform the configuration, the layers with their sizes, and the history; then artifacts and referrers. On a terminal, long lines are cut to its width.",
  examples: [
    ["Show an image with all its platforms", "gantry inspect alpine:3.20"],
    ["Show the image for one platform", "gantry inspect --platform linux/arm64 alpine:3.20"],
    ["The same as JSON", "gantry inspect --json alpine:3.20"],
  ],
  parameters: { flags: lookFlags, positional: locationArgument },
  func(this: Context, flags: LookFlags, location: Location) {
    return session(this, flags, async (io) => {
      const inspection = await inspect(location, lookOptions(flags, io));
      if (flags.json) return io.json(inspection);
      for (const line of inspectionLines(inspection)) io.print(`${fitLine(line, io.columns)}\n`);
    });
  },
});
