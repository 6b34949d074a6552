import { buildCommand, type Command } from "@stricli/core";
import { formatBytes } from "../../base/text.ts";
import type { Location } from "../../verbs/location.ts";
import { pull } from "../../verbs/pull.ts";
import type { Context } from "../context.ts";
import { limitsOf, registryOptions, type TransferFlags, transferFlags, transferOptions } from "../flags.ts";
import { parseImage } from "../location.ts";
import { session } from "../session.ts";
import { openStore } from "../store.ts";

export const pullCommand: Command<Context> = buildCommand({
  docs: {
    brief: "Bring an image from a registry into the local store, verified",
    fullDescription:
      "Every byte is hashed while it is written, and the name is set last: whatever goes wrong, the store only ever holds what was verified. Prints the digest.",
  },
  parameters: {
    flags: transferFlags,
    positional: { kind: "tuple", parameters: [{ parse: parseImage, brief: "The image", placeholder: "REF" }] },
  },
  func(this: Context, flags: TransferFlags, location: Location) {
    return session(this, { ...flags, resumes: true }, async (io) => {
      const { signal, progress, debug, print, json } = io;
      const result = await pull(location, {
        signal,
        progress,
        limits: limitsOf(flags.limit),
        registry: registryOptions(flags, debug),
        store: openStore(flags, io),
        ...transferOptions(flags),
      });
      const { name, descriptor, blobs, bytes } = result;
      if (flags.json) return json({ name, ...descriptor, blobs, bytes });
      if (flags.progress !== "none") {
        const pulled = `${blobs.moved} blobs (${formatBytes(bytes)}) pulled, ${blobs.existing} were there`;
        this.process.stderr.write(`${name}: ${pulled}\n`);
      }
      print(`${descriptor.digest}\n`);
    });
  },
});
