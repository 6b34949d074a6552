import { formatBytes } from "../base/text.ts";
import type { CopyResult } from "../transfer/copy.ts";
import type { TransferFlags } from "./flags.ts";
import { limitsOf, platformsOf } from "./options.ts";
import type { Session } from "./session.ts";
import { openStore } from "./store.ts";

/** The options of a verb for the flags of the commands that move images. */
export function transferOptions(flags: TransferFlags, io: Session) {
  const { signal, progress } = io;
  return {
    signal,
    progress,
    limits: limitsOf(flags.limit),
    store: openStore(flags, io),
    platforms: platformsOf(flags.platform),
    parallel: flags.parallel,
  };
}

/** `alpine:3.20: pulled 2 blobs, 3.4 MiB in 1.2 s; 5 existing` */
export function movedLine(name: string, verb: string, { blobs, bytes }: CopyResult, milliseconds: number): string {
  const { moved, mounted, existing } = blobs;
  const others = [mounted > 0 && `${mounted} mounted`, existing > 0 && `${existing} existing`]
    .filter(Boolean)
    .join(", ");
  const amount = moved === 0 ? "" : `, ${formatBytes(bytes)} in ${(milliseconds / 1000).toFixed(1)} s`;
  return `${name}: ${verb} ${moved} blob${moved === 1 ? "" : "s"}${amount}${others && `; ${others}`}`;
}
