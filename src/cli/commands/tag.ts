import { buildCommand, type Command } from "@stricli/core";
import { tag } from "../../verbs/tag.ts";
import type { Context } from "../context.ts";
import { parseImage } from "../location.ts";
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
      parameter: { parse: String, brief: "The image, then tags", placeholder: "IMAGE TAG" },
    },
  },
  async func(this: Context, given: Omit<LookFlags, "platform">, image: string, ...tags: string[]) {
    // The arguments have one parser, and only the first of them is a location.
    const location = await parseImage(image);
    return session(this, given, async (io) => {
      const descriptor = await tag(location, tags, lookOptions(given, io));
      if (given.json) io.json({ ...descriptor, tags });
      else io.print(`${descriptor.digest}\n`);
    });
  },
});
