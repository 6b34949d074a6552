import type { Location } from "../../verbs/location.ts";
import { push } from "../../verbs/push.ts";
import { type Context, defineCommand } from "../command.ts";
import { type TransferFlags, transferFlags } from "../flags.ts";
import { parseImage, parseStored } from "../location.ts";
import { registryOptions } from "../options.ts";
import { resumes, session } from "../session.ts";
import { movedLine, transferOptions } from "../transfer.ts";

export const pushCommand = defineCommand({
  details: `Pushes the image under its own name, or under the name REF. Blobs that the registry already has are skipped. Prints the digest.

A push takes all platforms of the image, but \`gantry pull\` stores one. So after such a pull, push that platform with --platform, or pull with \`--platform all\` first.`,
  examples: [
    [
      "Push the platform that was pulled",
      "gantry push --platform linux/amd64 alpine:3.20 registry.example/alpine:3.20",
    ],
    ["Push an image under its own name", "gantry push registry.example/app:v1"],
  ],
  parameters: {
    flags: transferFlags,
    positional: {
      kind: "tuple",
      parameters: [
        { parse: parseStored, brief: "The image in the store", placeholder: "NAME" },
        { parse: parseImage, brief: "The destination (default: NAME)", placeholder: "REF", optional: true },
      ],
    },
  },
  func(this: Context, flags: TransferFlags, image: Location, to?: Location) {
    return session(this, { ...flags, remains: resumes }, async (io) => {
      const started = performance.now();
      const registry = registryOptions(flags, io.debug);
      const result = await push(image, to, { ...transferOptions(flags, io), registry });
      const { descriptor, blobs, bytes } = result;
      if (flags.json) return io.json({ ...descriptor, blobs, bytes });
      io.summary(movedLine((to ?? image).text, "pushed", result, performance.now() - started));
      io.print(`${descriptor.digest}\n`);
    });
  },
});
