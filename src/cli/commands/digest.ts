import { buildCommand, type Command } from "@stricli/core";
import type { Location } from "../../verbs/location.ts";
import { resolve } from "../../verbs/look.ts";
import type { Context } from "../context.ts";
import { type LookFlags, locationArgument, lookFlags, lookOptions } from "../look.ts";
import { session } from "../session.ts";

export const digestCommand: Command<Context> = buildCommand({
  docs: {
    brief: "Print the digest that a name stands for",
    fullDescription:
      "Asks by HEAD, which counts against no pull quota. With --platform: the digest of that image of an index.",
  },
  parameters: { flags: lookFlags, positional: locationArgument },
  func(this: Context, flags: LookFlags, location: Location) {
    return session(this, flags, async (io) => {
      const descriptor = await resolve(location, lookOptions(flags, io));
      if (flags.json) io.json(descriptor);
      else io.print(`${descriptor.digest}\n`);
    });
  },
});
