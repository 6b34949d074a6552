import { printable } from "../../../base/text.ts";
import { labelImage } from "../../../verbs/images.ts";
import { type Context, defineCommand } from "../../command.ts";
import { jsonFlag, type StoreFlags, storeFlags } from "../../flags.ts";
import { session } from "../../session.ts";
import { openStore } from "../../store.ts";

interface Flags extends StoreFlags {
  readonly json: boolean;
}

export const labelCommand = defineCommand({
  details: "KEY=VALUE sets a label, KEY= removes it. Then prints all labels of the image.",
  examples: [
    ["Set a label", "gantry images label alpine:3.20 team=core"],
    ["Remove a label", "gantry images label alpine:3.20 team="],
    ["Show the labels", "gantry images label alpine:3.20"],
  ],
  parameters: {
    flags: { ...storeFlags, json: jsonFlag },
    positional: {
      kind: "array",
      minimum: 1,
      parameter: { parse: String, brief: "The image, then labels", placeholder: "NAME [KEY=VALUE]" },
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
