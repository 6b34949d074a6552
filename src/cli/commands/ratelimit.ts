import { buildCommand, type Command } from "@stricli/core";
import { printable } from "../../base/text.ts";
import { type Location, parseLocation } from "../../verbs/location.ts";
import { rateLimit } from "../../verbs/rate-limit.ts";
import type { Context } from "../context.ts";
import { parseImage } from "../location.ts";
import { type LookFlags, lookFlags, lookOptions } from "../look.ts";
import { session } from "../session.ts";

const { platform: _platform, ...flags } = lookFlags;

export const ratelimitCommand: Command<Context> = buildCommand({
  docs: {
    brief: "Show what is left of a registry's quota",
    fullDescription:
      "Asks by HEAD, which counts against no quota of Docker Hub. Without an image: docker.io/ratelimitpreview/test, which is there for this.",
  },
  parameters: {
    flags,
    positional: {
      kind: "tuple",
      parameters: [{ parse: parseImage, brief: "The image, or its repository", placeholder: "REF", optional: true }],
    },
  },
  func(this: Context, given: Omit<LookFlags, "platform">, location?: Location) {
    return session(this, given, async (io) => {
      const image = location ?? parseLocation("docker.io/ratelimitpreview/test:latest");
      const found = await rateLimit(image, lookOptions(given, io));
      if (given.json) return io.json(found ?? {});
      if (!found) return io.print(`${printable(image.text)}: the registry tells no quota\n`);
      const { limit, remaining, window, reset, source } = found;
      const parts = [
        `${remaining ?? "?"} of ${limit ?? "?"} left`,
        ...(window === undefined ? [] : [`in ${(window / 3600).toFixed(window % 3600 === 0 ? 0 : 1)} h`]),
        ...(reset === undefined ? [] : [`more in ${reset} s`]),
        ...(source === undefined ? [] : [`counted for ${printable(source)}`]),
      ];
      io.print(`${parts.join(", ")}\n`);
    });
  },
});
