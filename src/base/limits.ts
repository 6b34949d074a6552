import { GantryError } from "./error.ts";

const KiB = 1024;
const MiB = 1024 * KiB;
const GiB = 1024 * MiB;

/** Bounds on what an image, a registry, an archive or a client may make this process do. Sizes are in bytes. */
export interface Limits {
  /** A manifest, an index, a config, a page of tags or referrers. */
  readonly metadataBytes: number;
  /** The index.json of a local layout or store. */
  readonly layoutIndexBytes: number;
  /** Nodes of one walk of an image graph. */
  readonly graphNodes: number;
  /** Size of all documents of one walk of an image graph. */
  readonly graphBytes: number;
  /** How deep indexes may nest. */
  readonly graphDepth: number;
  /** Pages of one listing. */
  readonly pages: number;
  readonly redirects: number;
  /** A token response. */
  readonly tokenBytes: number;
  /** Bytes of an error response that are read. */
  readonly errorBytes: number;
  /** A blob whose size is not known. */
  readonly unsizedBlobBytes: number;
  /** All layers of one image, inflated. */
  readonly unpackedBytes: number;
  /** Archive entries of one image, and directories that are created without an entry of their own. */
  readonly entries: number;
  /** Directories in the tree of one image, each of which is kept in memory. */
  readonly directories: number;
  /** Inflated bytes per compressed byte of one layer, checked once `ratioFloorBytes` are inflated. */
  readonly ratio: number;
  readonly ratioFloorBytes: number;
  /** Components of one path. */
  readonly pathDepth: number;
  /** One extended header of an archive (pax record block, GNU long name). */
  readonly tarHeaderBytes: number;
  /** Records of global pax headers in force at the same time. Each one costs time at every entry. */
  readonly tarGlobalRecords: number;
  /** Symbolic links followed while one path is resolved. */
  readonly symlinks: number;
  /** Open uploads of all clients of a server. */
  readonly uploads: number;
  /** Open uploads of one client address. */
  readonly uploadsPerClient: number;
  /** Bytes of all open uploads of a server. */
  readonly uploadBytes: number;
}

export const defaultLimits: Limits = {
  metadataBytes: 4 * MiB,
  layoutIndexBytes: 64 * MiB,
  graphNodes: 10_000,
  graphBytes: 256 * MiB,
  graphDepth: 8,
  pages: 1_000,
  redirects: 5,
  tokenBytes: 1 * MiB,
  errorBytes: 64 * KiB,
  unsizedBlobBytes: 64 * GiB,
  unpackedBytes: 64 * GiB,
  entries: 5_000_000,
  directories: 1_000_000,
  ratio: 200,
  ratioFloorBytes: 64 * MiB,
  pathDepth: 256,
  tarHeaderBytes: 1 * MiB,
  tarGlobalRecords: 32,
  symlinks: 40,
  uploads: 256,
  uploadsPerClient: 128,
  uploadBytes: 64 * GiB,
};

export type LimitName = keyof Limits;

/** The flag of the command that sets a limit: `--limit unpackedBytes=128GiB`. */
export function limitFlag(name: LimitName): string {
  return `--limit ${name}=N`;
}

/** @throws LIMIT_EXCEEDED if `value` is above the limit; the message names the limit and the flag that raises it */
export function checkLimit(limits: Limits, name: LimitName, value: number, what: string): void {
  if (value <= limits[name]) return;
  throw new GantryError(
    "LIMIT_EXCEEDED",
    `${what} exceeds the limit ${name} = ${limits[name]}; if this is expected, raise it with ${limitFlag(name)}`,
    { details: { limit: name, value, max: limits[name], flag: limitFlag(name) } },
  );
}

const units: Readonly<Record<string, number>> = { "": 1, KiB, MiB, GiB, K: KiB, M: MiB, G: GiB };

/** Applies `name=value` settings (`entries=10`, `unpackedBytes=128GiB`) to the limits in `base`. @throws USAGE */
export function parseLimits(settings: readonly string[], base: Limits = defaultLimits): Limits {
  const limits: Record<string, number> = { ...base };
  for (const setting of settings) {
    const match = /^(\w+)=(\d+)([KMG](?:iB)?|)$/.exec(setting);
    const value = match ? Number(match[2]) * units[match[3]!]! : Number.NaN;
    if (!match || !(match[1]! in limits) || !Number.isSafeInteger(value)) {
      throw new GantryError(
        "USAGE",
        `--limit ${setting}: expected NAME=NUMBER with an optional KiB, MiB or GiB, and NAME one of ${Object.keys(limits).join(", ")}`,
      );
    }
    limits[match[1]!] = value;
  }
  return limits as unknown as Limits;
}
