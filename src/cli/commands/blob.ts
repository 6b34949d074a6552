import { blob } from "../../verbs/blob.ts";
import type { Location } from "../../verbs/location.ts";
import { type Context, defineCommand } from "../command.ts";
import { parseImage } from "../location.ts";
import { contentHelp, lookOptions, type RepositoryFlags, repositoryFlags } from "../look.ts";
import { session } from "../session.ts";

const { json: _json, ...flags } = repositoryFlags;

export const blobCommand = defineCommand({
  details: `${contentHelp} The last bytes are printed only after the size and the digest are verified: with exit code 0, all bytes are right.`,
  examples: [
    ["Save a blob of a registry", "gantry blob alpine@$DIGEST > layer.tar.gz"],
    ["Print a blob of a layout on disk", "gantry blob oci:images@$DIGEST"],
  ],
  parameters: {
    flags,
    positional: {
      kind: "tuple",
      parameters: [
        { parse: parseImage, brief: "REPO@DIGEST, oci:DIR@DIGEST or store:REPO@DIGEST", placeholder: "BLOB" },
      ],
    },
  },
  func(this: Context, given: Omit<RepositoryFlags, "json">, location: Location) {
    return session(this, given, (io) =>
      blob(location, (chunk) => io.content(chunk), lookOptions({ ...given, json: false }, io)),
    );
  },
});
