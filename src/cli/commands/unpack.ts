import { buildCommand, type Command } from "@stricli/core";
import { formatBytes, printable } from "../../base/text.ts";
import type { PullPolicy } from "../../puller/policy.ts";
import type { Location } from "../../verbs/location.ts";
import { unpack } from "../../verbs/unpack.ts";
import type { Context } from "../context.ts";
import {
  debugFlag,
  jsonFlag,
  limitsOf,
  onePlatformFlag,
  platformOf,
  progressFlag,
  type RemoteFlags,
  registryOptions,
  remoteFlags,
  type StoreFlags,
  storeFlags,
} from "../flags.ts";
import { parseImage } from "../location.ts";
import type { ProgressMode } from "../progress.ts";
import { session } from "../session.ts";
import { openStore } from "../store.ts";

interface Flags extends StoreFlags, RemoteFlags {
  readonly platform?: string | undefined;
  readonly policy: PullPolicy;
  readonly strict: boolean;
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
      strict: {
        kind: "boolean",
        brief: "Fail instead of leaving out what cannot be kept: owners, devices, attributes",
        default: false,
        withNegated: false,
      },
      ...remoteFlags,
      json: jsonFlag,
      debug: debugFlag,
      progress: progressFlag,
    },
    positional: {
      kind: "tuple",
      parameters: [
        { parse: parseImage, brief: "REF, oci:DIR:TAG or store:NAME", placeholder: "IMAGE" },
        { parse: String, brief: "The directory", placeholder: "ROOTFS" },
      ],
    },
  },
  func(this: Context, flags: Flags, location: Location, rootfs: string) {
    // What was pulled for it is there the next time.
    const resumes = location.kind === "registry";
    return session(this, { ...flags, resumes }, async (io) => {
      const { signal, progress, debug, print, json } = io;
      const result = await unpack(location, rootfs, {
        signal,
        progress,
        limits: limitsOf(flags.limit),
        registry: registryOptions(flags, debug),
        store: openStore(flags, io),
        platform: platformOf(flags.platform),
        policy: flags.policy,
        strict: flags.strict,
      });
      const { stderr } = this.process;
      for (const warning of result.warnings) stderr.write(`warning: ${printable(warning)}\n`);
      if (flags.json) return json(result);
      if (flags.progress !== "none")
        stderr.write(`${printable(rootfs)}: ${result.entries} entries, ${formatBytes(result.bytes)}\n`);
      print(`${result.digest}\n`);
    });
  },
});
