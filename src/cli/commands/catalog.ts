import { buildCommand, type Command } from "@stricli/core";
import { catalog } from "../../verbs/list.ts";
import type { Context } from "../context.ts";
import { type NameFlags, nameFlags, printNames } from "../names.ts";
import { session } from "../session.ts";

export const catalogCommand: Command<Context> = buildCommand({
  docs: {
    brief: "List the repositories of a registry",
    fullDescription: "Many public registries have no such list, and say so.",
  },
  parameters: {
    flags: nameFlags,
    positional: {
      kind: "tuple",
      parameters: [{ parse: String, brief: "HOST, oci:DIR or store:", placeholder: "REGISTRY" }],
    },
  },
  func(this: Context, flags: NameFlags, location: string) {
    return session(this, flags, (io) => printNames(flags, io, (options) => catalog(location, options)));
  },
});
