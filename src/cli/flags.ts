import type { TypedFlagParameter } from "@stricli/core";
import { GantryError } from "../base/error.ts";
import { type Limits, parseLimits } from "../base/limits.ts";
import { parsePlatform } from "../images/platform.ts";
import type { PlatformChoice } from "../images/select.ts";
import { userUploads } from "../registry/remote/sessions.ts";
import type { Platform } from "../spec/types.ts";
import type { RegistryOptions } from "../verbs/options.ts";
import { lazyCertificates, lazyCredentials, lazyRoutes } from "./credentials.ts";
import type { ProgressMode } from "./progress.ts";

/** Flags that mean the same in every command that has them. */
const text = (brief: string, placeholder: string) =>
  ({ kind: "parsed", parse: String, brief, placeholder, optional: true }) as const;

const storeFlag: TypedFlagParameter<string | undefined> = text(
  "The local store (default: $GANTRY_STORE, /var/lib/gantry as root, else below the user's data directory)",
  "DIR",
);

export const limitFlag = {
  kind: "parsed",
  parse: String,
  brief: "Set a limit, such as unpackedBytes=128GiB or entries=10000000",
  placeholder: "NAME=N",
  variadic: true,
  optional: true,
} as const;

/** The flags that say which store is meant, which of its names, and within which limits work is done. */
export interface StoreFlags {
  readonly store?: string | undefined;
  readonly storeDb?: string | undefined;
  readonly namespace?: string | undefined;
  readonly limit?: readonly string[] | undefined;
}

export const storeFlags = {
  store: storeFlag,
  storeDb: text("Keep the store's names in PostgreSQL (default: $GANTRY_STORE_DB, else SQLite in the store)", "URL"),
  namespace: text("Which names of the store (default: $GANTRY_NAMESPACE, else default)", "NAME"),
  limit: limitFlag,
} as const;

export const platformFlag: TypedFlagParameter<string | undefined> = text(
  "OS/ARCH[/VARIANT], several separated by commas, or all",
  "PLATFORM",
);

export const onePlatformFlag: TypedFlagParameter<string | undefined> = text("OS/ARCH[/VARIANT]", "PLATFORM");

export const jsonFlag: TypedFlagParameter<boolean> = {
  kind: "boolean",
  brief: "Print one JSON document",
  default: false,
  withNegated: false,
};

export const insecureFlag: TypedFlagParameter<boolean> = {
  kind: "boolean",
  brief:
    "Speak plain http to the registry, or TLS whose certificate nobody checks (loopback hosts are asked which they speak)",
  default: false,
  withNegated: false,
};

const trustRealmFlag = {
  kind: "parsed",
  parse: String,
  brief: "Send the registry's password to this token server, though it is of another domain",
  placeholder: "HOST",
  variadic: true,
  optional: true,
} as const;

const caFileFlag = {
  kind: "parsed",
  parse: String,
  brief: "Trust the certificates of this file or directory (PEM), beside those of the system",
  placeholder: "PATH",
  variadic: true,
  optional: true,
} as const;

/** The flags that say how registries are spoken to. */
export interface RemoteFlags {
  readonly insecure: boolean;
  readonly caFile?: readonly string[] | undefined;
  readonly trustRealm?: readonly string[] | undefined;
  readonly authFile?: string | undefined;
  readonly certDir?: string | undefined;
  readonly rate?: number | undefined;
}

export const authFileFlag: TypedFlagParameter<string | undefined> = text(
  "Look for credentials in this file alone (default: $REGISTRY_AUTH_FILE, else those of Docker and podman)",
  "PATH",
);

export const remoteFlags = {
  insecure: insecureFlag,
  caFile: caFileFlag,
  trustRealm: trustRealmFlag,
  authFile: authFileFlag,
  rate: {
    kind: "parsed",
    parse: (input: string): number => {
      const value = Number(input);
      if (Number.isFinite(value) && value > 0) return value;
      throw new GantryError("USAGE", `${input} is no number of requests a minute`);
    },
    brief: "Requests a minute to the registry at the most (default: 300 for docker.io, else no bound)",
    placeholder: "N",
    optional: true,
  },
  certDir: text("A directory as in certs.d: *.crt to trust, NAME.cert and NAME.key to show to the registry", "DIR"),
} as const;

/** What those flags mean, as options; credentials are the user's own. */
export function registryOptions(
  { insecure, caFile, trustRealm, authFile, certDir, rate }: RemoteFlags,
  debug: ((line: string) => void) | undefined,
): RegistryOptions {
  return {
    insecure,
    credentials: lazyCredentials(authFile),
    routes: lazyRoutes(),
    uploads: userUploads(),
    caFiles: caFile,
    trustedRealms: trustRealm,
    rate: rate === undefined ? undefined : { perMinute: rate, burst: Math.max(1, rate) },
    ...lazyCertificates(certDir),
    debug,
  };
}

export const debugFlag: TypedFlagParameter<boolean> = {
  kind: "boolean",
  brief: "One line on stderr for each request, without secrets",
  default: false,
  withNegated: false,
};

export const progressFlag: TypedFlagParameter<ProgressMode> = {
  kind: "enum",
  values: ["auto", "plain", "json", "none"],
  brief: "How to show progress on stderr",
  default: "auto",
};

export const parallelFlag: TypedFlagParameter<number | undefined> = {
  kind: "parsed",
  parse: (input: string): number => {
    const value = Number(input);
    if (!Number.isInteger(value) || value < 1 || value > 64) {
      throw new GantryError("USAGE", `${input} is not a whole number from 1 to 64`);
    }
    return value;
  },
  brief: "Blobs on their way at once (default: 3)",
  placeholder: "N",
  optional: true,
};

/** The flags of the commands that move images. */
export interface TransferFlags extends StoreFlags, RemoteFlags {
  readonly platform?: string | undefined;
  readonly parallel?: number | undefined;
  readonly json: boolean;
  readonly debug: boolean;
  readonly progress: ProgressMode;
}

export const transferFlags = {
  ...storeFlags,
  platform: platformFlag,
  parallel: parallelFlag,
  ...remoteFlags,
  json: jsonFlag,
  debug: debugFlag,
  progress: progressFlag,
} as const;

/** What the platform and parallel flags mean to a verb. */
export function transferOptions({ platform, parallel }: TransferFlags): {
  platforms: PlatformChoice | undefined;
  parallel: number | undefined;
} {
  return { platforms: platformsOf(platform), parallel };
}

/** The limits of the --limit flags; undefined where there are none. */
export const limitsOf = (settings: readonly string[] | undefined): Limits | undefined =>
  settings?.length ? parseLimits(settings) : undefined;

/** The platforms of a --platform flag; undefined where it was not given. */
export function platformsOf(flag: string | undefined): PlatformChoice | undefined {
  if (flag === undefined || flag === "all") return flag;
  return flag.split(",").map(parsePlatform);
}

export function platformOf(flag: string | undefined): Platform | undefined {
  return flag === undefined ? undefined : parsePlatform(flag);
}
