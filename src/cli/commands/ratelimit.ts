import { printable } from "../../base/text.ts";
import { type Location, parseLocation } from "../../verbs/location.ts";
import { rateLimit } from "../../verbs/rate-limit.ts";
import { type Context, defineCommand } from "../command.ts";
import { parseImage } from "../location.ts";
import { lookOptions, type RepositoryFlags, repositoryFlags } from "../look.ts";
import { session } from "../session.ts";

export const ratelimitCommand = defineCommand({
  details: "The registry is asked with HEAD, which does not count as a pull on Docker Hub.",
  examples: [
    ["Show the quota on Docker Hub", "gantry ratelimit"],
    ["Show the quota for an image of another registry", "gantry ratelimit registry.example/app"],
  ],
  parameters: {
    flags: repositoryFlags,
    positional: {
      kind: "tuple",
      parameters: [
        {
          parse: parseImage,
          brief: "An image or repository (default: docker.io/ratelimitpreview/test, which exists for this)",
          placeholder: "REF",
          optional: true,
        },
      ],
    },
  },
  func(this: Context, flags: RepositoryFlags, location?: Location) {
    return session(this, flags, async (io) => {
      const image = location ?? parseLocation("docker.io/ratelimitpreview/test:latest");
      const found = await rateLimit(image, lookOptions(flags, io));
      if (flags.json) return io.json(found ?? {});
      if (!found) return io.print(`${printable(image.text)}: the registry reports no quota\n`);
      const { limit, remaining, window, reset, source } = found;
      const parts = [`${remaining ?? "?"} of ${limit ?? "?"} left`];
      if (window !== undefined) parts.push(`in ${(window / 3600).toFixed(window % 3600 === 0 ? 0 : 1)} h`);
      if (reset !== undefined) parts.push(`more in ${reset} s`);
      if (source !== undefined) parts.push(`counted for ${printable(source)}`);
      io.print(`${parts.join(", ")}\n`);
    });
  },
});
