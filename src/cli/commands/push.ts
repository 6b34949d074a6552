import { buildCommand, type Command } from "@stricli/core";
import { Store } from "../../store/store.ts";
import { push } from "../../verbs/copy.ts";
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
  readonly json: boolean;
  readonly debug: boolean;
  readonly progress: ProgressMode;
}

export const pushCommand: Command<Context> = buildCommand({
  docs: {
    brief: "Send an image of the local store to a registry",
    fullDescription:
      "Sends the image under its own name, or under another one. What the registry has is not sent again. An image of which only some platforms were pulled needs --platform. Prints the digest.",
  },
  parameters: {
    flags: {
      store: storeFlag,
      platform: platformFlag,
      parallel: parallelFlag,
      insecure: insecureFlag,
      json: jsonFlag,
      debug: debugFlag,
      progress: progressFlag,
    },
    positional: {
      kind: "tuple",
      parameters: [
        { parse: String, brief: "The image in the store", placeholder: "NAME" },
        { parse: String, brief: "Where to, if not to where its name says", placeholder: "REF", optional: true },
      ],
    },
  },
  func(this: Context, flags: Flags, name: string, to?: string) {
    return session(this, flags, async ({ signal, progress, debug, print, json }) => {
      const store = new Store(flags.store);
      const platforms = platformsOf(flags.platform);
      const result = await push(name, to, {
        store,
        signal,
        ...(progress && { progress }),
        ...(platforms && { platforms }),
        ...(flags.parallel !== undefined && { parallel: flags.parallel }),
        destination: { insecure: flags.insecure, ...(debug && { debug }) },
      });
      if (flags.json) json({ ...result.descriptor, blobs: result.blobs, bytes: result.bytes });
      else print(`${result.descriptor.digest}\n`);
    });
  },
});
