import { buildCommand, type Command } from "@stricli/core";
import { printable } from "../../../base/text.ts";
import { labelImage } from "../../../verbs/images.ts";
import type { Context } from "../../context.ts";
import { jsonFlag, type StoreFlags, storeFlags } from "../../flags.ts";
import { session } from "../../session.ts";
import { openStore } from "../../store.ts";

interface Flags extends StoreFlags {
  readonly json: boolean;
}

export const labelCommand: Command<Context> = buildCommand({
  docs: {
    brief: "Set labels of an image of the store, or remove them",
    fullDescription: "KEY=VALUE sets a label, KEY= removes it. Prints the labels that the image has then.",
  },
  parameters: {
    flags: { ...storeFlags, json: jsonFlag },
    positional: {
      kind: "array",
      minimum: 1,
      parameter: { parse: String, brief: "The image, then labels", placeholder: "REF KEY=VALUE" },
    },
  },
  func(this: Context, flags: Flags, name: string, ...labels: string[]) {
    return session(this, {}, async (io) => {
      const image = await labelImage(openStore(flags, io), name, labels);
      if (flags.json) io.json(image);
      else for (const [key, value] of Object.entries(image.labels)) io.print(`${printable(`${key}=${value}`)}\n`);
    });
  },
});
