import { type Limits, parseLimits } from "../base/limits.ts";
import { parsePlatform } from "../images/platform.ts";
import type { PlatformChoice } from "../images/select.ts";
import { userUploads } from "../registry/remote/upload-memory.ts";
import type { Platform } from "../spec/types.ts";
import type { RegistryOptions } from "../verbs/options.ts";
import { lazyCertificates, lazyCredentials, lazyRoutes } from "./credentials.ts";
import type { RemoteFlags } from "./flags.ts";

/** The options of a verb for the flags about registries, with the credentials of the user. */
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

/** The limits of the --limit flags. */
export const limitsOf = (settings: readonly string[] | undefined): Limits | undefined =>
  settings?.length ? parseLimits(settings) : undefined;

/** The platforms of a --platform flag that takes several. */
export function platformsOf(flag: string | undefined): PlatformChoice | undefined {
  if (flag === undefined || flag === "all") return flag;
  return flag.split(",").map(parsePlatform);
}

export function platformOf(flag: string | undefined): Platform | undefined {
  return flag === undefined ? undefined : parsePlatform(flag);
}
