import { choice, number, on, several, text } from "./flag-kinds.ts";
import type { ProgressMode } from "./progress.ts";

/** Flags that mean the same in every command that has them. */
export const storeFlags = {
  store: text(
    "Directory of the local store (default: $GANTRY_STORE, else /var/lib/gantry for root, else gantry in the user's data directory)",
    "DIR",
  ),
  storeDb: text(
    "PostgreSQL database with the names of the store (default: $GANTRY_STORE_DB, else SQLite in the store)",
    "URL",
  ),
  namespace: text("Namespace of the names in the store (default: $GANTRY_NAMESPACE, else default)", "NAME"),
  limit: several("Change a limit, such as unpackedBytes=128GiB or entries=10000000", "NAME=N"),
} as const;

/** The flags that say which store is used, which of its names, and with which limits. */
export interface StoreFlags {
  readonly store?: string | undefined;
  readonly storeDb?: string | undefined;
  readonly namespace?: string | undefined;
  readonly limit?: readonly string[] | undefined;
}

export const remoteFlags = {
  insecure: on("Allow plain HTTP, and TLS with any certificate. Loopback hosts may always speak HTTP"),
  caFile: several("Also trust the certificates (PEM) in this file or directory", "PATH"),
  certDir: text("Trust *.crt in this directory, and send NAME.cert with NAME.key as client certificate", "DIR"),
  authFile: text(
    "Use only this file of credentials (default: $REGISTRY_AUTH_FILE, else the files of Docker and podman)",
    "PATH",
  ),
  trustRealm: several("Send credentials to this token server, even if it is not in the domain of the registry", "HOST"),
  rate: number(
    "Send at most N requests per minute to a registry (default: 300 for docker.io, else no limit)",
    (value) => Number.isFinite(value) && value > 0,
    "a number of requests per minute",
  ),
} as const;

/** The flags that say how registries are reached. */
export interface RemoteFlags {
  readonly insecure: boolean;
  readonly caFile?: readonly string[] | undefined;
  readonly trustRealm?: readonly string[] | undefined;
  readonly authFile?: string | undefined;
  readonly certDir?: string | undefined;
  readonly rate?: number | undefined;
}

export const jsonFlag = on("Print one JSON document");
export const debugFlag = on("Print a line on stderr for each request, without secrets");
export const progressFlag = choice<ProgressMode>(
  "How progress is shown on stderr: auto draws bars on a terminal and prints lines elsewhere",
  "MODE",
  ["auto", "plain", "json", "none"],
);

const platformsFlag = text(
  "Choose the images for these platforms, such as linux/amd64,linux/arm64/v8; or all",
  "OS/ARCH",
);
export const platformFlag = text("Choose the image for this platform, such as linux/arm64/v8", "OS/ARCH");

/** The flags of the commands that move images. */
export interface TransferFlags extends StoreFlags, RemoteFlags {
  readonly platform?: string | undefined;
  readonly parallel?: number | undefined;
  readonly json: boolean;
  readonly debug: boolean;
  readonly progress: ProgressMode;
}

export const transferFlags = {
  platform: platformsFlag,
  ...storeFlags,
  ...remoteFlags,
  parallel: number(
    "Move N blobs at the same time (default: 3)",
    (value) => Number.isInteger(value) && value >= 1 && value <= 64,
    "a whole number from 1 to 64",
  ),
  json: jsonFlag,
  debug: debugFlag,
  progress: progressFlag,
} as const;

/** The headings under which the help shows shared flags, by name. All others are a command's own. */
export const flagGroups: Readonly<Record<string, readonly string[]>> = {
  Registry: ["insecure", "caFile", "certDir", "authFile", "trustRealm"],
  Store: ["store", "storeDb", "namespace"],
  Limit: ["limit", "rate", "parallel"],
  Output: ["json", "progress", "debug"],
};
