import { buildCommand, type Command } from "@stricli/core";
import { copy } from "../../verbs/copy.ts";
import type { Location } from "../../verbs/location.ts";
import type { Context } from "../context.ts";
import {
  authFileFlag,
  insecureFlag,
  limitsOf,
  registryOptions,
  type TransferFlags,
  transferFlags,
  transferOptions,
} from "../flags.ts";
import { parseImage } from "../location.ts";
import { session } from "../session.ts";
import { openStore } from "../store.ts";

interface Flags extends TransferFlags {
  readonly srcInsecure: boolean;
  readonly destInsecure: boolean;
  readonly srcAuthFile?: string | undefined;
  readonly destAuthFile?: string | undefined;
}

export const cpCommand: Command<Context> = buildCommand({
  docs: {
    brief: "Copy an image from anywhere to anywhere",
    fullDescription:
      "Source and destination are any of REF, oci:DIR:TAG and store:NAME. All platforms are copied, byte for byte; with --platform one image of an index is copied alone, under its own digest. Prints the digest.",
  },
  parameters: {
    flags: {
      ...transferFlags,
      srcInsecure: { ...insecureFlag, brief: "--insecure for the source only" },
      destInsecure: { ...insecureFlag, brief: "--insecure for the destination only" },
      srcAuthFile: { ...authFileFlag, brief: "--auth-file for the source only" },
      destAuthFile: { ...authFileFlag, brief: "--auth-file for the destination only" },
    },
    positional: {
      kind: "tuple",
      parameters: [
        { parse: parseImage, brief: "The image to copy", placeholder: "SRC" },
        { parse: parseImage, brief: "Where to", placeholder: "DST" },
      ],
    },
  },
  func(this: Context, flags: Flags, from: Location, to: Location) {
    return session(this, { ...flags, resumes: true }, async (io) => {
      const { signal, progress, debug, print, json } = io;
      const side = (insecure: boolean, authFile: string | undefined) => ({
        registry: registryOptions(
          { ...flags, insecure: flags.insecure || insecure, authFile: authFile ?? flags.authFile },
          debug,
        ),
      });
      const result = await copy(from, to, {
        signal,
        progress,
        limits: limitsOf(flags.limit),
        store: openStore(flags, io),
        ...transferOptions(flags),
        source: side(flags.srcInsecure, flags.srcAuthFile),
        destination: side(flags.destInsecure, flags.destAuthFile),
      });
      if (flags.json) json({ ...result.descriptor, blobs: result.blobs, bytes: result.bytes });
      else print(`${result.descriptor.digest}\n`);
    });
  },
});
