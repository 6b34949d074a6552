import { buildCommand, type Command } from "@stricli/core";
import { tags } from "../../verbs/inspect.ts";
import type { Context } from "../context.ts";
import { parseLocation } from "../location.ts";
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
          parse: parseLocation,
          brief: "HOST/REPOSITORY, oci:DIR[:REPO] or store:HOST/REPOSITORY",
          placeholder: "REPO",
        },
      ],
    },
  },
  func(this: Context, flags: NameFlags, location: string) {
    return session(this, flags, (io) => printNames(flags, io, (options) => tags(location, options)));
  },
});
