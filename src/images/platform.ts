import os from "node:os";
import { withoutUndefined } from "../base/defined.ts";
import { GantryError } from "../base/error.ts";
import type { Platform } from "../spec/types.ts";

/** Operating systems and architectures that may be given alone: Go's GOOS and GOARCH. */
const knownSystems: ReadonlySet<string> = new Set(
  "aix android darwin dragonfly freebsd hurd illumos ios js linux nacl netbsd openbsd plan9 solaris windows zos".split(
    " ",
  ),
);
const knownArchitectures: ReadonlySet<string> = new Set(
  "386 amd64 amd64p32 arm armbe arm64 arm64be loong64 mips mipsle mips64 mips64le mips64p32 mips64p32le ppc ppc64 ppc64le riscv riscv64 s390 s390x sparc sparc64 wasm".split(
    " ",
  ),
);

/** Other names of architectures, with the variant that they imply. */
const architectures: ReadonlyMap<string, readonly [architecture: string, variant?: string]> = new Map([
  ["x86_64", ["amd64"]],
  ["x86-64", ["amd64"]],
  ["i386", ["386", ""]],
  ["aarch64", ["arm64"]],
  ["armhf", ["arm", "v7"]],
  ["armel", ["arm", "v6"]],
] as const);

/** For each architecture, variants by their spelling; the default variant is the empty string. */
const variants: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  amd64: { v1: "" },
  arm64: { "8": "", v8: "", "v8.0": "", "9": "v9", "9.0": "v9", "v9.0": "v9" },
  arm: { "": "v7", "5": "v5", "6": "v6", "7": "v7", "8": "v8" },
};

/**
 * A platform in its one spelling: aliases resolved, the default variant and empty fields absent, features sorted.
 * @throws INVALID_PLATFORM for a value that is no platform, as a text is
 */
export function normalizePlatform(platform: Platform): Platform {
  if (typeof platform?.os !== "string" || typeof platform.architecture !== "string") {
    const given = JSON.stringify(platform) ?? String(platform);
    throw new GantryError(
      "INVALID_PLATFORM",
      `${given.slice(0, 200)} is not a platform: it must be an object with os and architecture; make one from text with parsePlatform`,
    );
  }
  const { variant: _variant, "os.features": features, ...rest } = platform;
  const os = platform.os.toLowerCase();
  const given = platform.architecture.toLowerCase();
  const [architecture, implied] = architectures.get(given) ?? [given];
  const written = implied ?? platform.variant?.toLowerCase() ?? "";
  const table = Object.hasOwn(variants, architecture) ? variants[architecture]! : {};
  const variant = Object.hasOwn(table, written) ? table[written]! : written;
  const sorted = [...new Set(features)].filter(Boolean).sort();
  return withoutUndefined({
    ...rest,
    os: os === "macos" ? "darwin" : os,
    architecture,
    variant: variant || undefined,
    "os.features": sorted.length > 0 ? sorted : undefined,
  });
}

/**
 * Parses `OS/ARCH[/VARIANT]`, `OS` or `ARCH` alone (the rest is that of this host), and options of the system as in
 * `windows(10.0.17763+win32k)/amd64`.
 * @throws INVALID_PLATFORM
 */
export function parsePlatform(text: string): Platform {
  const fail = (why: string): never => {
    throw new GantryError(
      "INVALID_PLATFORM",
      `${JSON.stringify(text)} is not a platform: ${why}; expected OS/ARCHITECTURE[/VARIANT] such as linux/arm64, or "all"`,
    );
  };
  const [system = "", ...others] = text.split("/");
  const match = /^([A-Za-z0-9_-]+)(?:\(([A-Za-z0-9_.%-]*)((?:\+[A-Za-z0-9_.%-]+)*)\))?$/.exec(system);
  if (!match || others.length > 2)
    return fail(others.length > 2 ? "it has too many parts" : "its first part is not an operating system");
  if (others.some((part) => !/^[A-Za-z0-9_.-]+$/.test(part))) return fail("a part has characters that no platform has");
  const [, name = "", version = "", features = ""] = match;
  const decode = (option: string): string => {
    try {
      return decodeURIComponent(option);
    } catch {
      return fail("its options are badly escaped");
    }
  };
  const options = {
    "os.version": version ? decode(version) : undefined,
    "os.features": features ? features.slice(1).split("+").map(decode) : undefined,
  };
  const [architecture, variant] = others;
  if (architecture !== undefined) {
    return normalizePlatform({ os: name, architecture, variant, ...options });
  }
  const { "os.version": _build, ...host } = hostPlatform();
  const asSystem = normalizePlatform({ ...host, os: name, ...options });
  if (knownSystems.has(asSystem.os)) return asSystem;
  const asArchitecture = normalizePlatform({ os: host.os, architecture: system });
  if (knownArchitectures.has(asArchitecture.architecture)) return asArchitecture;
  return fail("no operating system or architecture has this name");
}

/** `linux/arm/v7`; `unknown` if `os` is empty. */
export function formatPlatform({ os, architecture, variant }: Platform): string {
  return os === "" ? "unknown" : [os, architecture, variant].filter(Boolean).join("/");
}

/** As {@link formatPlatform}, with version and features of the system: `windows(10.0.17763+win32k)/amd64`. */
export function formatFullPlatform(platform: Platform): string {
  const { "os.version": version = "", "os.features": features = [] } = platform;
  const escaped = (option: string): string =>
    option.replace(/[%+()/]/g, encodeURIComponent).replace(/[()]/g, hexEscape);
  const wanted = [...new Set(features)].filter(Boolean).sort();
  const options = [escaped(version), ...wanted.map(escaped)].join("+");
  if (platform.os === "" || options === "") return formatPlatform(platform);
  return formatPlatform({ ...platform, os: `${platform.os}(${options})` });
}

const hexEscape = (char: string): string => `%${char.charCodeAt(0).toString(16).toUpperCase()}`;

/** Node's names of architectures that have other names in Go. */
const nodeArchitectures: ReadonlyMap<string, string> = new Map([
  ["x64", "amd64"],
  ["ia32", "386"],
  ["mipsel", "mipsle"],
]);

/**
 * The platform of images for this machine: Windows on Windows, else Linux, which on macOS runs in a virtual machine. On
 * Windows it has the build, because images run on some builds only.
 */
export function hostPlatform(): Platform {
  const windows = process.platform === "win32";
  const architecture = nodeArchitectures.get(process.arch) ?? process.arch;
  const arm = (process.config.variables as { readonly arm_version?: string | undefined }).arm_version;
  return normalizePlatform({
    os: windows ? "windows" : "linux",
    architecture,
    "os.version": windows ? os.release() : undefined,
    variant: architecture === "arm" && arm ? `v${arm}` : undefined,
  });
}

/** The architectures and variants that a machine runs, the best first: older variants, then 32-bit ones. */
function runnable({ architecture, variant = "" }: Platform): readonly string[] {
  const below = (name: string, from: number, to: number): string[] =>
    Array.from({ length: Math.max(0, from - to) }, (_, at) => `${name}/v${from - 1 - at}`);
  const own = `${architecture}/${variant}`;
  const number = Number(/^v(\d)$/.exec(variant)?.[1]);
  if (architecture === "amd64") {
    return [own, ...(number > 1 ? [...below("amd64", number, 2), "amd64/"] : []), "386/"];
  }
  if (architecture === "arm") return [own, ...(number > 5 ? below("arm", number, 5) : [])];
  if (architecture !== "arm64") return [own];
  const minor = /^v([89])(?:\.(\d))?$/.exec(variant || "v8");
  if (!minor) return [own];
  // Armv9.N has all of Armv8.(N+5).
  const [major, level] = [minor[1], Number(minor[2] ?? 0)];
  const levels = (of: string, from: number): string[] =>
    Array.from({ length: from + 1 }, (_, at) =>
      at === from ? `arm64/${of === "8" ? "" : "v9"}` : `arm64/v${of}.${from - at}`,
    );
  const arm64 = major === "9" ? [...levels("9", level), ...levels("8", Math.min(9, level + 5))] : levels("8", level);
  return [...arm64, "arm/v8", ...below("arm", 8, 5)];
}

/**
 * How well a machine of platform `wanted` runs an image for `offered`, as containerd ranks them: lower is better, 0 is
 * exact, undefined means that it does not run. Each feature of the system that the image uses improves the rank, by less
 * than 1 in total.
 */
export function platformRank(wanted: Platform, offered: Platform): number | undefined {
  const [want, have] = [normalizePlatform(wanted), normalizePlatform(offered)];
  if (want.os !== have.os || !versionFits(want, have)) return undefined;
  const features = (have["os.features"] ?? []).filter((feature) => want.os !== "windows" || feature !== "win32k");
  if (!features.every((feature) => want["os.features"]?.includes(feature))) return undefined;
  const rank = runnable(want).indexOf(`${have.architecture}/${have.variant ?? ""}`);
  return rank < 0 ? undefined : rank - features.length / (features.length + 1);
}

/** Builds of Windows Server, ascending. A later build runs images from the newest of these up to its own. */
const stableBuilds = [20348, 26100];

/**
 * Whether a host with one version of its system runs images for another version. Before Server 2022, Windows runs
 * images of its own build only. On other systems, and if a build is unknown, the version does not matter.
 */
function versionFits(want: Platform, have: Platform): boolean {
  const [host, image] = [windowsVersion(want), windowsVersion(have)];
  if (want.os !== "windows" || !host || !have["os.version"]) return true;
  if (!image || host.major !== image.major || host.minor !== image.minor) return false;
  const [first] = stableBuilds as [number];
  if (host.build < first) return host.build === image.build;
  const oldest = stableBuilds.findLast((build) => host.build > build) ?? first;
  return oldest <= image.build && image.build <= host.build;
}

/** Compares the Windows builds of two platforms: negative if `a` is older. No build counts as the oldest. */
export function compareBuilds(a: Platform, b: Platform): number {
  const [first, second] = [a, b].map((platform) =>
    platform.os.toLowerCase() === "windows" ? (platform["os.version"] ?? "").split(".").map(Number) : [],
  ) as [number[], number[]];
  for (let at = 0; at < Math.max(first.length, second.length); at += 1) {
    const difference = (first[at] || 0) - (second[at] || 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

function windowsVersion(platform: Platform): { major: number; minor: number; build: number } | undefined {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,5})(?:\.|$)/.exec(platform["os.version"] ?? "");
  return match ? { major: Number(match[1]), minor: Number(match[2]), build: Number(match[3]) } : undefined;
}
