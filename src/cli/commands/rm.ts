import { buildCommand, type Command } from "@stricli/core";
import { printable } from "../../base/text.ts";
import type { Location } from "../../verbs/location.ts";
import { remove } from "../../verbs/remove.ts";
import type { Context } from "../context.ts";
import { parseImage } from "../location.ts";
import { type LookFlags, lookFlags, lookOptions } from "../look.ts";
import { session } from "../session.ts";

const { platform: _platform, ...flags } = lookFlags;

export const rmCommand: Command<Context> = buildCommand({
  docs: {
    brief: "Remove a tag from a registry, or a manifest by its digest",
    fullDescription:
      "REPO:TAG removes the tag and leaves the manifest; REPO@DIGEST removes the manifest and every tag that leads to it. Blobs stay until the registry collects its garbage. For the local store see `gantry images rm`.",
  },
  parameters: {
    flags,
    positional: {
      kind: "array",
      minimum: 1,
      parameter: { parse: parseImage, brief: "What to remove", placeholder: "IMAGE" },
    },
  },
  func(this: Context, given: Omit<LookFlags, "platform">, ...locations: Location[]) {
    return session(this, given, async (io) => {
      const options = lookOptions(given, io);
      for (const location of locations) {
        await remove(location, options);
        if (!given.json) io.print(`${printable(location.text)}\n`);
      }
      if (given.json) io.json(locations.map(({ text }) => text));
    });
  },
});
