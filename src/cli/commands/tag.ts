import { tag } from "../../verbs/tag.ts";
import { type Context, defineCommand } from "../command.ts";
import { parseImage } from "../location.ts";
import { lookOptions, type RepositoryFlags, repositoryFlags } from "../look.ts";
import { session } from "../session.ts";

export const tagCommand = defineCommand({
  details: "Writes the same manifest to the same repository under each new tag; no blobs are moved. Prints its digest.",
  examples: [
    ["Give an image two more tags", "gantry tag registry.example/app:1.2.3 1.2 latest"],
    ["Tag an image in a layout on disk", "gantry tag oci:images:3.20 stable"],
  ],
  parameters: {
    flags: repositoryFlags,
    positional: {
      kind: "array",
      minimum: 2,
      parameter: { parse: String, brief: "The image, then its new tags", placeholder: "IMAGE TAG" },
    },
  },
  async func(this: Context, flags: RepositoryFlags, image: string, ...tags: string[]) {
    // All arguments have one parser, but only the first one is a location.
    const location = await parseImage(image);
    return session(this, flags, async (io) => {
      const descriptor = await tag(location, tags, lookOptions(flags, io));
      if (flags.json) io.json({ ...descriptor, tags });
      else io.print(`${descriptor.digest}\n`);
    });
  },
});
