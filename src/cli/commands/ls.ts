import { buildCommand, type Command } from "@stricli/core";
import { tags } from "../../verbs/list.ts";
import type { Location } from "../../verbs/location.ts";
import type { Context } from "../context.ts";
import { parseRepository } from "../location.ts";
import { type NameFlags, nameFlags, printNames } from "../names.ts";
import { session } from "../session.ts";

export const lsCommand: Command<Context> = buildCommand({
  docs: { brief: "List the tags of a repository" },
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
