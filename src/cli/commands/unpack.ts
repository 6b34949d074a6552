import { formatBytes } from "../../base/text.ts";
import type { PullPolicy } from "../../puller/policy.ts";
import type { Location } from "../../verbs/location.ts";
import { unpack } from "../../verbs/unpack.ts";
import { type Context, defineCommand } from "../command.ts";
import { choice, on } from "../flag-kinds.ts";
import {
  debugFlag,
  jsonFlag,
  platformFlag,
  progressFlag,
  type RemoteFlags,
  remoteFlags,
  type StoreFlags,
  storeFlags,
} from "../flags.ts";
import { parseImage } from "../location.ts";
import { imageBrief } from "../look.ts";
import { limitsOf, platformOf, registryOptions } from "../options.ts";
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

export const unpackCommand = defineCommand({
  details: `ROOTFS must be missing or empty, and becomes the root directory of the image. It appears only after every layer is verified; after a failure nothing remains of it. Prints the digest.

An image in a registry is pulled into the store first. Without --platform, the image for this machine is unpacked. Only root can set owners and create devices.`,
  examples: [
    ["Unpack an image of a registry", "gantry unpack alpine:3.20 ./rootfs"],
    ["Unpack an image of a layout on disk", "gantry unpack oci:images:3.20 ./rootfs"],
    ["Unpack the image for another platform", "gantry unpack --platform linux/arm64 alpine:3.20 ./rootfs"],
  ],
  parameters: {
    flags: {
      platform: platformFlag,
      policy: choice<PullPolicy>("When an image in a registry is pulled", "POLICY", [
        "IfNotPresent",
        "Always",
        "Never",
      ]),
      strict: on("Fail, instead of warning, if an owner, a device or an attribute cannot be kept"),
      ...storeFlags,
      ...remoteFlags,
      json: jsonFlag,
      debug: debugFlag,
      progress: progressFlag,
    },
    positional: {
      kind: "tuple",
      parameters: [
        { parse: parseImage, brief: imageBrief, placeholder: "IMAGE" },
        { parse: String, brief: "The directory to unpack into", placeholder: "ROOTFS" },
      ],
    },
  },
  func(this: Context, flags: Flags, location: Location, rootfs: string) {
    const kept = location.kind === "registry" ? "; the store keeps the downloaded bytes" : "";
    return session(this, { ...flags, remains: `nothing was left at ${rootfs}${kept}` }, async (io) => {
      const { signal, progress, debug, print, json } = io;
      const started = performance.now();
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
      const seconds = ((performance.now() - started) / 1000).toFixed(1);
      for (const warning of result.warnings) progress({ type: "message", level: "warning", text: warning });
      io.summary(`${rootfs}: ${result.entries} entries, ${formatBytes(result.bytes)} in ${seconds} s`);
      if (flags.json) json(result);
      else print(`${result.digest}\n`);
    });
  },
});
