import { GantryError } from "../base/error.ts";
import type { Platform } from "../spec/types.ts";

/** Machine names of Node and of uname, as Go and the OCI write them. */
const architectures: Readonly<Record<string, readonly [architecture: string, variant?: string]>> = {
  x64: ["amd64"],
  x86_64: ["amd64"],
  "x86-64": ["amd64"],
  ia32: ["386"],
  i386: ["386"],
  aarch64: ["arm64"],
  armhf: ["arm", "v7"],
  armel: ["arm", "v6"],
  loong64: ["loong64"],
};

const systems: Readonly<Record<string, string>> = { macos: "darwin", win32: "windows" };

/** One way to write a platform: aliases resolved, the default variant of an architecture left out (arm keeps its). */
export function normalizePlatform(platform: Platform): Platform {
  const os = platform.os.toLowerCase();
  const given = platform.architecture.toLowerCase();
  const [architecture, implied] = architectures[given] ?? [given];
  let variant = platform.variant?.toLowerCase() || implied;
  if (architecture === "arm") variant = variant ? variant.replace(/^(\d)/, "v$1") : "v7";
  if (architecture === "arm64" && (variant === "v8" || variant === "8")) variant = undefined;
  if (architecture === "amd64" && variant === "v1") variant = undefined;
  const { variant: _variant, ...rest } = platform;
  return { ...rest, os: systems[os] ?? os, architecture, ...(variant && { variant }) };
}

/** @throws INVALID_PLATFORM unless the text is `os/architecture[/variant]` */
export function parsePlatform(text: string): Platform {
  const parts = text.split("/");
  const [os, architecture, variant] = parts;
  if (parts.length > 3 || !os || !architecture || parts.some((part) => !/^[A-Za-z0-9_.-]+$/.test(part))) {
    throw new GantryError(
      "INVALID_PLATFORM",
      `${JSON.stringify(text)} is not a platform; expected OS/ARCHITECTURE[/VARIANT] such as linux/arm64, or "all"`,
    );
  }
  return normalizePlatform({ os, architecture, ...(variant && { variant }) });
}

export function formatPlatform(platform: Platform): string {
  const { os, architecture, variant } = platform;
  return [os || "unknown", architecture || "unknown", variant].filter(Boolean).join("/");
}

/** What images for this machine say. Containers run on Linux, also where a virtual machine runs it. */
export function hostPlatform(): Platform {
  return normalizePlatform({ os: process.platform === "win32" ? "windows" : "linux", architecture: process.arch });
}

const armVariants = ["v8", "v7", "v6", "v5"];

/**
 * How well a machine of platform `wanted` runs an image for `offered`: 0 is exact, higher is worse, undefined is not
 * at all. An arm machine runs what was built for lower variants, and an amd64 one the plain variant.
 */
export function platformRank(wanted: Platform, offered: Platform): number | undefined {
  const [want, have] = [normalizePlatform(wanted), normalizePlatform(offered)];
  if (want.os !== have.os || want.architecture !== have.architecture) return undefined;
  if (want["os.version"] && have["os.version"] && want["os.version"] !== have["os.version"]) return undefined;
  if (want.variant === have.variant) return 0;
  if (want.architecture === "arm") {
    const [at, from] = [armVariants.indexOf(have.variant ?? ""), armVariants.indexOf(want.variant ?? "")];
    return at > from && from >= 0 ? at - from : undefined;
  }
  if (want.architecture === "amd64") {
    const level = (variant: string | undefined): number => Number(/^v(\d)$/.exec(variant ?? "v1")?.[1] ?? Number.NaN);
    const steps = level(want.variant) - level(have.variant);
    return steps >= 0 ? steps : undefined;
  }
  return have.variant === undefined ? 1 : undefined;
}
