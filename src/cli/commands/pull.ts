import type { Location } from "../../verbs/location.ts";
import { pull } from "../../verbs/pull.ts";
import { type Context, defineCommand } from "../command.ts";
import { type TransferFlags, transferFlags } from "../flags.ts";
import { parseImage } from "../location.ts";
import { registryOptions } from "../options.ts";
import { resumes, session } from "../session.ts";
import { movedLine, transferOptions } from "../transfer.ts";

export const pullCommand = defineCommand({
  details: `Every byte is hashed while it is written, and the name is set last: the store never holds unverified content. Blobs that the store already has are skipped. The next pull resumes an interrupted one. Prints the digest.

Without --platform, the image for this machine is pulled.`,
  examples: [
    ["Pull the image for this machine", "gantry pull alpine:3.20"],
    ["Pull the images for two platforms", "gantry pull --platform linux/amd64,linux/arm64 alpine:3.20"],
    ["Pull from a registry on this machine into a directory", "gantry pull --store ./store 127.0.0.1:5000/app:latest"],
  ],
  parameters: {
    flags: transferFlags,
    positional: {
      kind: "tuple",
      parameters: [{ parse: parseImage, brief: "The image in the registry", placeholder: "REF" }],
    },
  },
  func(this: Context, flags: TransferFlags, location: Location) {
    return session(this, { ...flags, remains: resumes }, async (io) => {
      const started = performance.now();
      const registry = registryOptions(flags, io.debug);
      const result = await pull(location, { ...transferOptions(flags, io), registry });
      const { name, descriptor, blobs, bytes } = result;
      if (flags.json) return io.json({ name, ...descriptor, blobs, bytes });
      io.summary(movedLine(name, "pulled", result, performance.now() - started));
      io.print(`${descriptor.digest}\n`);
    });
  },
});
