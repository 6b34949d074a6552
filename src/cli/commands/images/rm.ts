import { printable } from "../../../base/text.ts";
import { removeImages } from "../../../verbs/images.ts";
import { parseStoreLocation, type StoreLocation } from "../../../verbs/location.ts";
import { type Context, defineCommand } from "../../command.ts";
import { jsonFlag, type StoreFlags, storeFlags } from "../../flags.ts";
import { session } from "../../session.ts";
import { openStore } from "../../store.ts";

interface Flags extends StoreFlags {
  readonly json: boolean;
}

export const rmCommand = defineCommand({
  details: "Only the names are removed. `gantry images gc` then removes the blobs that no other name needs.",
  examples: [["Remove two names", "gantry images rm alpine:3.19 alpine:3.20"]],
  parameters: {
    flags: { ...storeFlags, json: jsonFlag },
    positional: {
      kind: "array",
      minimum: 1,
      parameter: { parse: parseStoreLocation, brief: "The image to remove", placeholder: "NAME" },
    },
  },
  func(this: Context, flags: Flags, ...names: StoreLocation[]) {
    return session(this, {}, async (io) => {
      const removed = await removeImages(openStore(flags, io), names);
      if (flags.json) io.json(removed);
      else for (const name of removed) io.print(`${printable(name)}\n`);
    });
  },
});
