import { GantryError } from "../../../base/error.ts";
import { formatBytes, printable } from "../../../base/text.ts";
import type { FsckReport } from "../../../store/fsck.ts";
import { type Context, defineCommand } from "../../command.ts";
import { on } from "../../flag-kinds.ts";
import { jsonFlag, progressFlag, type StoreFlags, storeFlags } from "../../flags.ts";
import type { ProgressMode } from "../../progress.ts";
import { session } from "../../session.ts";
import { openStore } from "../../store.ts";

interface Flags extends StoreFlags {
  readonly rebuild: boolean;
  readonly json: boolean;
  readonly progress: ProgressMode;
}

export const fsckCommand = defineCommand({
  details: `Hashes every blob, and checks that every image is complete. Prints each fault with the command that repairs it. If there are faults, the exit code is 5.

With --rebuild, names that the database has lost are restored from index.json, and damaged blobs are removed so that the next pull downloads them again.`,
  examples: [
    ["Check the store", "gantry images fsck"],
    ["Repair the store", "gantry images fsck --rebuild"],
  ],
  parameters: {
    flags: { rebuild: on("Repair what can be repaired"), ...storeFlags, json: jsonFlag, progress: progressFlag },
    positional: { kind: "tuple", parameters: [] },
  },
  func(this: Context, flags: Flags) {
    return session(this, flags, async (io) => {
      const { signal, progress, print, json } = io;
      const store = openStore(flags, io);
      const report = await store.fsck({ rebuild: flags.rebuild, signal, progress });
      if (flags.json) json(report);
      else print(describe(report));
      const { length } = report.findings;
      if (length === 0) return;
      throw new GantryError(
        "STORE_DAMAGED",
        `the store ${store.directory} has ${length} fault${length === 1 ? "" : "s"}`,
      );
    });
  },
});

function describe({ blobs, bytes, images, findings, repaired }: FsckReport): string {
  const lines = [
    ...repaired.map((line) => `repaired: ${printable(line)}`),
    ...findings.flatMap(({ kind, message, repair }) => {
      const line = `${kind}: ${printable(message)}`;
      return repair ? [line, `  repair it with: ${printable(repair)}`] : [line];
    }),
    `${blobs} blobs (${formatBytes(bytes)}) and ${images} images checked, ${findings.length} faults`,
  ];
  return `${lines.join("\n")}\n`;
}
