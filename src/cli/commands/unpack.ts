import { buildCommand, type Command } from "@stricli/core";
import { formatBytes, printable } from "../../base/text.ts";
import { type PullPolicy, unpack } from "../../verbs/unpack.ts";
import type { Context } from "../context.ts";
import {
  debugFlag,
  jsonFlag,
  limitFlag,
  limitsOf,
  onePlatformFlag,
  platformOf,
  progressFlag,
  type RemoteFlags,
  remoteFlags,
  remoteOptions,
  type StoreFlags,
  storeFlags,
} from "../flags.ts";
import { parseLocation } from "../location.ts";
import type { ProgressMode } from "../progress.ts";
import { session } from "../session.ts";
import { withStore } from "../store.ts";

interface Flags extends StoreFlags, RemoteFlags {
  readonly platform?: string;
  readonly policy: PullPolicy;
  readonly limit?: readonly string[];
  readonly json: boolean;
  readonly debug: boolean;
  readonly progress: ProgressMode;
}

export const unpackCommand: Command<Context> = buildCommand({
  docs: {
    brief: "Make a directory the root filesystem of an image",
    fullDescription:
      "The directory must be absent or empty, and itself becomes the tree. It appears when every layer was verified; on failure nothing is left. Owners and devices need root.",
  },
  parameters: {
    flags: {
      ...storeFlags,
      platform: onePlatformFlag,
      policy: {
        kind: "enum",
        values: ["IfNotPresent", "Always", "Never"],
        brief: "Whether to ask the registry",
        default: "IfNotPresent",
      },
      limit: limitFlag,
      ...remoteFlags,
      json: jsonFlag,
      debug: debugFlag,
      progress: progressFlag,
    },
    positional: {
      kind: "tuple",
      parameters: [
        { parse: parseLocation, brief: "REF, oci:DIR:TAG or store:NAME", placeholder: "IMAGE" },
        { parse: String, brief: "The directory", placeholder: "ROOTFS" },
      ],
    },
  },
  func(this: Context, flags: Flags, location: string, rootfs: string) {
    return session(this, flags, async ({ signal, progress, debug, print, json }) => {
      const limits = limitsOf(flags.limit);
      await withStore(
        flags,
        async (store) => {
          const result = await unpack(location, rootfs, {
            store,
            signal,
            policy: flags.policy,
            ...platformOf(flags.platform),
            ...limits,
            ...(progress && { progress }),
            remote: remoteOptions(flags, debug),
          });
          for (const warning of result.warnings) this.process.stderr.write(`warning: ${printable(warning)}\n`);
          if (flags.json) json(result);
          else {
            if (progress)
              this.process.stderr.write(`${rootfs}: ${result.entries} entries, ${formatBytes(result.bytes)}\n`);
            print(`${result.digest}\n`);
          }
        },
        limits,
      );
    });
  },
});
