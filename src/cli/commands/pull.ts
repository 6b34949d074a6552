import { buildCommand, type Command } from "@stricli/core";
import { formatBytes } from "../../base/text.ts";
import { pull } from "../../verbs/pull.ts";
import type { Context } from "../context.ts";
import { limitFlag, limitsOf, remoteOptions, type TransferFlags, transferFlags, transferOptions } from "../flags.ts";
import { parseLocation } from "../location.ts";
import { session } from "../session.ts";
import { withStore } from "../store.ts";

interface Flags extends TransferFlags {
  readonly limit?: readonly string[];
}

export const pullCommand: Command<Context> = buildCommand({
  docs: {
    brief: "Bring an image from a registry into the local store, verified",
    fullDescription:
      "Every byte is hashed while it is written, and the name is set last: whatever goes wrong, the store only ever holds what was verified. Prints the digest.",
  },
  parameters: {
    flags: { ...transferFlags, limit: limitFlag },
    positional: { kind: "tuple", parameters: [{ parse: parseLocation, brief: "The image", placeholder: "REF" }] },
  },
  func(this: Context, flags: Flags, reference: string) {
    return session(this, flags, async ({ signal, progress, debug, print, json }) => {
      const limits = limitsOf(flags.limit);
      await withStore(
        flags,
        async (store) => {
          const result = await pull(reference, {
            store,
            signal,
            ...limits,
            ...(progress && { progress }),
            ...transferOptions(flags),
            remote: remoteOptions(flags, debug),
          });
          if (flags.json) json({ name: result.name, ...result.descriptor, blobs: result.blobs, bytes: result.bytes });
          else {
            const { moved, existing } = result.blobs;
            if (progress)
              this.process.stderr.write(
                `${result.name}: ${moved} blobs (${formatBytes(result.bytes)}) pulled, ${existing} were there\n`,
              );
            print(`${result.descriptor.digest}\n`);
          }
        },
        limits,
      );
    });
  },
});
