import { buildCommand, type Command } from "@stricli/core";
import { copy } from "../../verbs/copy.ts";
import type { Context } from "../context.ts";
import {
  debugFlag,
  insecureFlag,
  jsonFlag,
  parallelFlag,
  platformFlag,
  platformsOf,
  progressFlag,
  storeFlag,
} from "../flags.ts";
import type { ProgressMode } from "../progress.ts";
import { session } from "../session.ts";

interface Flags {
  readonly store?: string;
  readonly platform?: string;
  readonly parallel?: number;
  readonly insecure: boolean;
  readonly srcInsecure: boolean;
  readonly destInsecure: boolean;
  readonly json: boolean;
  readonly debug: boolean;
  readonly progress: ProgressMode;
}

export const cpCommand: Command<Context> = buildCommand({
  docs: {
    brief: "Copy an image from anywhere to anywhere",
    fullDescription:
      "Source and destination are any of REF, oci:DIR:TAG and store:NAME. All platforms are copied, byte for byte; with --platform one image of an index is copied alone, under its own digest. Prints the digest.",
  },
  parameters: {
    flags: {
      store: storeFlag,
      platform: platformFlag,
      parallel: parallelFlag,
      insecure: insecureFlag,
      srcInsecure: { ...insecureFlag, brief: "--insecure for the source only" },
      destInsecure: { ...insecureFlag, brief: "--insecure for the destination only" },
      json: jsonFlag,
      debug: debugFlag,
      progress: progressFlag,
    },
    positional: {
      kind: "tuple",
      parameters: [
        { parse: String, brief: "The image to copy", placeholder: "SRC" },
        { parse: String, brief: "Where to", placeholder: "DST" },
      ],
    },
  },
  func(this: Context, flags: Flags, from: string, to: string) {
    return session(this, flags, async ({ signal, progress, debug, print, json }) => {
      const platforms = platformsOf(flags.platform);
      const side = (insecure: boolean) => ({ insecure: flags.insecure || insecure, ...(debug && { debug }) });
      const result = await copy(from, to, {
        signal,
        ...(progress && { progress }),
        ...(platforms && { platforms }),
        ...(flags.parallel !== undefined && { parallel: flags.parallel }),
        ...(flags.store !== undefined && { store: flags.store }),
        source: side(flags.srcInsecure),
        destination: side(flags.destInsecure),
      });
      if (flags.json) json({ ...result.descriptor, blobs: result.blobs, bytes: result.bytes });
      else print(`${result.descriptor.digest}\n`);
    });
  },
});
