import { buildCommand, type Command } from "@stricli/core";
import { blob } from "../../verbs/blob.ts";
import type { Location } from "../../verbs/location.ts";
import type { Context } from "../context.ts";
import { parseImage } from "../location.ts";
import { contentHelp, type LookFlags, lookFlags, lookOptions } from "../look.ts";
import { session } from "../session.ts";

const { platform: _platform, json: _json, ...flags } = lookFlags;

export const blobCommand: Command<Context> = buildCommand({
  docs: {
    brief: "Print a blob, verified",
    fullDescription: `The last bytes come only when size and digest are proved: where the command ends with 0, all that it printed is right. ${contentHelp}`,
  },
  parameters: {
    flags,
    positional: {
      kind: "tuple",
      parameters: [
        { parse: parseImage, brief: "REPO@DIGEST, oci:DIR@DIGEST or store:REPO@DIGEST", placeholder: "BLOB" },
      ],
    },
  },
  func(this: Context, given: Omit<LookFlags, "platform" | "json">, location: Location) {
    return session(this, given, (io) =>
      blob(location, (chunk) => io.content(chunk), lookOptions({ ...given, json: false }, io)),
    );
  },
});
