import type { LookOptions } from "../verbs/inspect.ts";
import { debugFlag, insecureFlag, jsonFlag, onePlatformFlag, platformOf, storeFlag } from "./flags.ts";
import type { Session } from "./session.ts";

/** The flags of the commands that only look. */
export interface LookFlags {
  readonly store?: string;
  readonly platform?: string;
  readonly insecure: boolean;
  readonly json: boolean;
  readonly debug: boolean;
}

export const lookFlags = {
  store: storeFlag,
  platform: onePlatformFlag,
  insecure: insecureFlag,
  json: jsonFlag,
  debug: debugFlag,
} as const;

export const locationArgument = {
  kind: "tuple",
  parameters: [{ parse: String, brief: "REF, oci:DIR:TAG or store:NAME", placeholder: "IMAGE" }],
} as const;

export function lookOptions(flags: LookFlags, { signal, debug }: Session): LookOptions {
  return {
    signal,
    insecure: flags.insecure,
    ...platformOf(flags.platform),
    ...(flags.store !== undefined && { store: flags.store }),
    ...(debug && { debug }),
  };
}
