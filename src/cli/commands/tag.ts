import { buildCommand, type Command } from "@stricli/core";
import { tag } from "../../verbs/repository.ts";
import type { Context } from "../context.ts";
import { parseLocation } from "../location.ts";
import { type LookFlags, lookFlags, lookOptions } from "../look.ts";
import { session } from "../session.ts";

const { platform: _platform, ...flags } = lookFlags;

export const tagCommand: Command<Context> = buildCommand({
  docs: {
    brief: "Give an image further tags in its repository",
    fullDescription: "Nothing but the manifest is sent, byte for byte. Prints its digest.",
  },
  parameters: {
    flags,
    positional: {
      kind: "array",
      minimum: 2,
      parameter: { parse: parseLocation, brief: "The image, then tags", placeholder: "IMAGE TAG" },
    },
  },
  func(this: Context, given: Omit<LookFlags, "platform">, location: string, ...tags: string[]) {
    return session(this, given, async (io) => {
      const descriptor = await tag(location, tags, lookOptions(given, io));
      if (given.json) io.json({ ...descriptor, tags });
      else io.print(`${descriptor.digest}\n`);
    });
  },
});
