import { tags } from "../../verbs/list.ts";
import type { Location } from "../../verbs/location.ts";
import { type Context, defineCommand } from "../command.ts";
import { parseRepository } from "../location.ts";
import { type NameFlags, nameFlags, printNames } from "../names.ts";
import { session } from "../session.ts";

export const lsCommand = defineCommand({
  examples: [
    ["List the tags of a repository", "gantry ls registry.example/app"],
    ["Show the newest version", "gantry ls --sort semver --max 1 registry.example/app"],
  ],
  parameters: {
    flags: nameFlags,
    positional: {
      kind: "tuple",
      parameters: [
        {
          parse: parseRepository,
          brief: "HOST/REPOSITORY, oci:DIR[:REPO] or store:HOST/REPOSITORY",
          placeholder: "REPO",
        },
      ],
    },
  },
  func(this: Context, flags: NameFlags, location: Location) {
    return session(this, flags, (io) => printNames(flags, io, (options) => tags(location, options)));
  },
});
