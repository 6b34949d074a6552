import { buildCommand, type Command } from "@stricli/core";
import { printable } from "../../base/text.ts";
import { catalog } from "../../verbs/repository.ts";
import type { Context } from "../context.ts";
import { type LookFlags, lookFlags, lookOptions } from "../look.ts";
import { session } from "../session.ts";

const { platform: _platform, ...flags } = lookFlags;

export const catalogCommand: Command<Context> = buildCommand({
  docs: {
    brief: "List the repositories of a registry",
    fullDescription: "Many public registries have no such list, and say so.",
  },
  parameters: {
    flags,
    positional: {
      kind: "tuple",
      parameters: [{ parse: String, brief: "HOST, oci:DIR or store:", placeholder: "REGISTRY" }],
    },
  },
  func(this: Context, given: Omit<LookFlags, "platform">, location: string) {
    return session(this, given, async (io) => {
      const found: string[] = [];
      for await (const name of catalog(location, lookOptions(given, io))) {
        if (given.json) found.push(name);
        else io.print(`${printable(name)}\n`);
      }
      if (given.json) io.json(found);
    });
  },
});
