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
  details: `ROOTFS must be absent or empty, and becomes the root directory of the image. It appears only when every layer was verified; on failure nothing is left. Prints the digest.

An image of a registry is pulled into the store first. Without --platform it is the image for this machine. Only root can set owners and create devices.`,
  examples: [
    ["Unpack an image of a registry", "gantry unpack alpine:3.20 ./rootfs"],
    ["Unpack an image of a layout on disk", "gantry unpack oci:images:3.20 ./rootfs"],
    ["Unpack the image for another platform", "gantry unpack --platform linux/arm64 alpine:3.20 ./rootfs"],
  ],
  parameters: {
    flags: {
      platform: platformFlag,
      policy: choice<PullPolicy>("When the image is pulled from the registry", "POLICY", [
        "IfNotPresent",
        "Always",
        "Never",
      ]),
      strict: on("Fail if an owner, device or attribute cannot be kept, instead of a warning"),
      ...storeFlags,
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
    // A partial download stays in the store, where the next run finds it.
    const resumes = location.kind === "registry";
    return session(this, { ...flags, resumes }, async (io) => {
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
