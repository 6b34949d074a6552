import { formatBytes, printable } from "../../base/text.ts";
import type { Descriptor } from "../../spec/types.ts";
import { referrers } from "../../verbs/list.ts";
import type { Location } from "../../verbs/location.ts";
import { type Context, defineCommand } from "../command.ts";
import { text } from "../flag-kinds.ts";
import { locationArgument, lookOptions, type RepositoryFlags, repositoryFlags } from "../look.ts";
import { session } from "../session.ts";
import { fitLine } from "../table.ts";

interface Flags extends RepositoryFlags {
  readonly artifactType?: string | undefined;
}

export const referrersCommand = defineCommand({
  details: "Lists every manifest whose subject is the image, with its digest, type and size.",
  examples: [
    ["List everything that refers to an image", "gantry referrers registry.example/app:1.2.3"],
    ["List only the SBOMs", "gantry referrers --artifact-type text/spdx registry.example/app:1.2.3"],
  ],
  parameters: {
    flags: { artifactType: text("List only referrers of this artifact type", "TYPE"), ...repositoryFlags },
    positional: locationArgument,
  },
  func(this: Context, flags: Flags, location: Location) {
    return session(this, flags, async (io) => {
      const found: Descriptor[] = [];
      const options = { ...lookOptions(flags, io), artifactType: flags.artifactType };
      for await (const descriptor of referrers(location, options)) {
        found.push(descriptor);
        const { digest, artifactType, mediaType, size } = descriptor;
        const line = `${digest}  ${printable(artifactType ?? mediaType)}  ${formatBytes(size)}`;
        if (!flags.json) io.print(`${fitLine(line, io.columns)}\n`);
      }
      if (flags.json) io.json(found);
    });
  },
});
