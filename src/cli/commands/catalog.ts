import { catalog } from "../../verbs/list.ts";
import { type Context, defineCommand } from "../command.ts";
import { type NameFlags, nameFlags, printNames } from "../names.ts";
import { session } from "../session.ts";

export const catalogCommand = defineCommand({
  details: "Many public registries do not offer this list, and answer with an error.",
  examples: [
    ["List the repositories of a registry", "gantry catalog registry.example"],
    ["List the repositories of a layout on disk", "gantry catalog oci:images"],
  ],
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
