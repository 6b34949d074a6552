import type { LookOptions } from "../verbs/inspect.ts";
import {
  debugFlag,
  jsonFlag,
  onePlatformFlag,
  platformOf,
  type RemoteFlags,
  remoteFlags,
  remoteOptions,
  type StoreFlags,
  storeFlags,
  storeOptions,
} from "./flags.ts";
import { parseLocation } from "./location.ts";
import type { Session } from "./session.ts";

/** The flags of the commands that only look. */
export interface LookFlags extends StoreFlags, RemoteFlags {
  readonly platform?: string;
  readonly json: boolean;
  readonly debug: boolean;
}

export const lookFlags = {
  ...storeFlags,
  platform: onePlatformFlag,
  ...remoteFlags,
  json: jsonFlag,
  debug: debugFlag,
} as const;

export const locationArgument = {
  kind: "tuple",
  parameters: [{ parse: parseLocation, brief: "REF, oci:DIR:TAG or store:NAME", placeholder: "IMAGE" }],
} as const;

export function lookOptions(flags: LookFlags, { signal, debug, progress }: Session): LookOptions {
  return {
    signal,
    ...(progress && { progress }),
    ...remoteOptions(flags, debug),
    ...platformOf(flags.platform),
    ...storeOptions(flags),
  };
}
