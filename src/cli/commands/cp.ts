import { copy } from "../../verbs/copy.ts";
import type { Location } from "../../verbs/location.ts";
import { type Context, defineCommand } from "../command.ts";
import { on, text } from "../flag-kinds.ts";
import { type TransferFlags, transferFlags } from "../flags.ts";
import { parseImage } from "../location.ts";
import { registryOptions } from "../options.ts";
import { resumes, session } from "../session.ts";
import { movedLine, transferOptions } from "../transfer.ts";

interface Flags extends TransferFlags {
  readonly srcInsecure: boolean;
  readonly destInsecure: boolean;
  readonly srcAuthFile?: string | undefined;
  readonly destAuthFile?: string | undefined;
}

export const cpCommand = defineCommand({
  details: `SRC and DST are each a REF in a registry, oci:DIR:TAG or store:NAME. Everything is copied byte for byte, so the digest stays the same. Blobs that the destination already has are skipped. Prints the digest.

Without --platform, all platforms are copied. With one platform, only its image is copied, without the index, so the digest is that of the image.`,
  examples: [
    ["Copy an image into a layout on disk", "gantry cp alpine:3.20 oci:images:3.20"],
    ["Copy an image between registries", "gantry cp ghcr.io/org/app:v1 registry.example/app:v1"],
    ["Copy to a registry with plain HTTP", "gantry cp --dest-insecure alpine:3.20 registry.lan:5000/alpine:3.20"],
  ],
  parameters: {
    flags: {
      ...transferFlags,
      srcInsecure: on("--insecure for the source only"),
      destInsecure: on("--insecure for the destination only"),
      srcAuthFile: text("--auth-file for the source only", "PATH"),
      destAuthFile: text("--auth-file for the destination only", "PATH"),
    },
    positional: {
      kind: "tuple",
      parameters: [
        { parse: parseImage, brief: "The image to copy", placeholder: "SRC" },
        { parse: parseImage, brief: "The destination", placeholder: "DST" },
      ],
    },
  },
  func(this: Context, flags: Flags, from: Location, to: Location) {
    return session(this, { ...flags, remains: resumes }, async (io) => {
      const started = performance.now();
      const side = (insecure: boolean, authFile: string | undefined) => ({
        registry: registryOptions(
          { ...flags, insecure: flags.insecure || insecure, authFile: authFile ?? flags.authFile },
          io.debug,
        ),
      });
      const result = await copy(from, to, {
        ...transferOptions(flags, io),
        source: side(flags.srcInsecure, flags.srcAuthFile),
        destination: side(flags.destInsecure, flags.destAuthFile),
      });
      const { descriptor, blobs, bytes } = result;
      if (flags.json) return io.json({ ...descriptor, blobs, bytes });
      io.summary(movedLine(to.text, "copied", result, performance.now() - started));
      io.print(`${descriptor.digest}\n`);
    });
  },
});
