import { buildCommand, type Command } from "@stricli/core";
import { formatBytes, printable } from "../../base/text.ts";
import type { Descriptor } from "../../spec/types.ts";
import { referrers } from "../../verbs/list.ts";
import type { Location } from "../../verbs/location.ts";
import type { Context } from "../context.ts";
import { type LookFlags, locationArgument, lookFlags, lookOptions } from "../look.ts";
import { session } from "../session.ts";

const { platform: _platform, ...flags } = lookFlags;

interface Flags extends Omit<LookFlags, "platform"> {
  readonly artifactType?: string | undefined;
}

export const referrersCommand: Command<Context> = buildCommand({
  docs: { brief: "List what refers to an image: signatures, SBOMs, attestations" },
  parameters: {
    flags: {
      ...flags,
      artifactType: {
        kind: "parsed",
        parse: String,
        brief: "Only those of this type",
        placeholder: "TYPE",
        optional: true,
      },
    },
    positional: locationArgument,
  },
  func(this: Context, given: Flags, location: Location) {
    return session(this, given, async (io) => {
      const found: Descriptor[] = [];
      const options = { ...lookOptions(given, io), artifactType: given.artifactType };
      for await (const descriptor of referrers(location, options)) {
        found.push(descriptor);
        const { digest, artifactType, mediaType, size } = descriptor;
        if (!given.json) io.print(`${digest}  ${printable(artifactType ?? mediaType)}  ${formatBytes(size)}\n`);
      }
      if (given.json) io.json(found);
    });
  },
});
