import type { Location } from "../../verbs/location.ts";
import { resolve } from "../../verbs/look.ts";
import { type Context, defineCommand } from "../command.ts";
import { type LookFlags, locationArgument, lookFlags, lookOptions } from "../look.ts";
import { session } from "../session.ts";

export const digestCommand = defineCommand({
  details:
    "If the name leads to an index, prints the digest of the index; with --platform, prints the digest of the image for that platform. A registry is asked with HEAD, which does not count as a pull on Docker Hub.",
  examples: [
    ["Print the digest that a tag has now", "gantry digest alpine:3.20"],
    ["Print the digest of the image for one platform", "gantry digest --platform linux/arm64 alpine:3.20"],
  ],
  parameters: { flags: lookFlags, positional: locationArgument },
  func(this: Context, flags: LookFlags, location: Location) {
    return session(this, flags, async (io) => {
      const descriptor = await resolve(location, lookOptions(flags, io));
      if (flags.json) io.json(descriptor);
      else io.print(`${descriptor.digest}\n`);
    });
  },
});
