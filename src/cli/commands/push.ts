import { buildCommand, type Command } from "@stricli/core";
import type { Location } from "../../verbs/location.ts";
import { push } from "../../verbs/push.ts";
import type { Context } from "../context.ts";
import { limitsOf, registryOptions, type TransferFlags, transferFlags, transferOptions } from "../flags.ts";
import { parseImage, parseStored } from "../location.ts";
import { session } from "../session.ts";
import { openStore } from "../store.ts";

export const pushCommand: Command<Context> = buildCommand({
  docs: {
    brief: "Send an image of the local store to a registry",
    fullDescription:
      "Sends the image under its own name, or under another one. What the registry has is not sent again. An image of which only some platforms were pulled needs --platform. Prints the digest.",
  },
  parameters: {
    flags: transferFlags,
    positional: {
      kind: "tuple",
      parameters: [
        { parse: parseStored, brief: "The image in the store", placeholder: "NAME" },
        { parse: parseImage, brief: "Where to, if not to where its name says", placeholder: "REF", optional: true },
      ],
    },
  },
  func(this: Context, flags: TransferFlags, image: Location, to?: Location) {
    return session(this, { ...flags, resumes: true }, async (io) => {
      const { signal, progress, debug, print, json } = io;
      const result = await push(image, to, {
        signal,
        progress,
        limits: limitsOf(flags.limit),
        registry: registryOptions(flags, debug),
        store: openStore(flags, io),
        ...transferOptions(flags),
      });
      if (flags.json) json({ ...result.descriptor, blobs: result.blobs, bytes: result.bytes });
      else print(`${result.descriptor.digest}\n`);
    });
  },
});
