import { GantryError } from "../base/error.ts";
import type { LookOptions } from "../verbs/look.ts";
import {
  debugFlag,
  jsonFlag,
  platformFlag,
  type RemoteFlags,
  remoteFlags,
  type StoreFlags,
  storeFlags,
} from "./flags.ts";
import { parseImage } from "./location.ts";
import { limitsOf, platformOf, registryOptions } from "./options.ts";
import type { Session } from "./session.ts";
import { openStore } from "./store.ts";

/** The flags of the commands that only look. */
export interface LookFlags extends StoreFlags, RemoteFlags {
  readonly platform?: string | undefined;
  readonly json: boolean;
  readonly debug: boolean;
}

/** The flags of the commands that choose no platform. */
export type RepositoryFlags = Omit<LookFlags, "platform">;

export const repositoryFlags = { ...storeFlags, ...remoteFlags, json: jsonFlag, debug: debugFlag } as const;

export const lookFlags = { platform: platformFlag, ...repositoryFlags } as const;

/** The help of an argument that may be an image of any place. */
export const imageBrief = "REF in a registry, oci:DIR:TAG or store:NAME";

export const locationArgument = {
  kind: "tuple",
  parameters: [{ parse: parseImage, brief: imageBrief, placeholder: "IMAGE" }],
} as const;

/** The start of the help of the commands that print content. */
export const contentHelp = "Prints the exact bytes; on a terminal, control characters are escaped.";

/** A document as a value, for --json. @throws INVALID_DOCUMENT */
export function documentOf(bytes: Buffer, what: string): unknown {
  try {
    return JSON.parse(bytes.toString("utf8"));
  } catch {
    // Without the message of the parser, which quotes the document.
    throw new GantryError("INVALID_DOCUMENT", `${what} is not JSON; omit --json to print its bytes`);
  }
}

export function lookOptions(flags: LookFlags, io: Session): LookOptions {
  const { signal, progress, debug } = io;
  return {
    signal,
    progress,
    limits: limitsOf(flags.limit),
    registry: registryOptions(flags, debug),
    store: openStore(flags, io),
    platform: platformOf(flags.platform),
  };
}
