import { buildCommand, type Command } from "@stricli/core";
import { printable } from "../../base/text.ts";
import { tags } from "../../verbs/inspect.ts";
import type { Context } from "../context.ts";
import { type LookFlags, lookFlags, lookOptions } from "../look.ts";
import { session } from "../session.ts";

const { platform: _platform, ...flags } = lookFlags;

export const lsCommand: Command<Context> = buildCommand({
  docs: { brief: "List the tags of a repository" },
  parameters: {
    flags,
    positional: {
      kind: "tuple",
      parameters: [{ parse: String, brief: "HOST/REPOSITORY, oci:DIR or store:HOST/REPOSITORY", placeholder: "REPO" }],
    },
  },
  func(this: Context, flags: Omit<LookFlags, "platform">, location: string) {
    return session(this, flags, async (io) => {
      const found: string[] = [];
      for await (const tag of tags(location, lookOptions(flags, io))) {
        if (flags.json) found.push(tag);
        else io.print(`${printable(tag)}\n`);
      }
      if (flags.json) io.json(found);
    });
  },
});
