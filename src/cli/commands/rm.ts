import { printable } from "../../base/text.ts";
import type { Location } from "../../verbs/location.ts";
import { remove } from "../../verbs/remove.ts";
import { type Context, defineCommand } from "../command.ts";
import { parseImage } from "../location.ts";
import { lookOptions, type RepositoryFlags, repositoryFlags } from "../look.ts";
import { session } from "../session.ts";

export const rmCommand = defineCommand({
  details:
    "REPO:TAG deletes the tag and keeps the manifest. REPO@DIGEST deletes the manifest and every tag that names it. Blobs stay until the registry collects its garbage. `gantry images rm` removes names from the local store.",
  examples: [
    ["Delete a tag", "gantry rm registry.example/app:old"],
    ["Delete a manifest with all its tags", "gantry rm registry.example/app@$DIGEST"],
  ],
  parameters: {
    flags: repositoryFlags,
    positional: {
      kind: "array",
      minimum: 1,
      parameter: { parse: parseImage, brief: "REPO:TAG or REPO@DIGEST", placeholder: "IMAGE" },
    },
  },
  func(this: Context, flags: RepositoryFlags, ...locations: Location[]) {
    return session(this, flags, async (io) => {
      const options = lookOptions(flags, io);
      for (const location of locations) {
        await remove(location, options);
        if (!flags.json) io.print(`${printable(location.text)}\n`);
      }
      if (flags.json) io.json(locations.map(({ text }) => text));
    });
  },
});
